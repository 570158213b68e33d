import { expect, test, vi } from "vitest";
import type { Contestant, Figure } from "./figure.js";
import { compare } from "./rounds.js";

function figureOf(turns: string[], isSlow = false): Figure & { stopped: number } {
  const contestant = (name: string): Contestant => ({
    ...{ name, workload: "one", kind: name === "ours" ? "metrly" : "peer", version: "1" },
    async measure(seconds) {
      turns.push(name);
      if (isSlow) await new Promise((resolve) => setTimeout(resolve, 20));
      return { perSecond: turns.length, seconds };
    },
  });
  const figure: Figure & { stopped: number } = {
    ...{ name: "test", title: "Test", text: "", base: "theirs", minutes: 1, seconds: 1, stopped: 0 },
    columns: [{ key: "perSecond", title: "per second", better: "more", digits: 0 }],
    start: async (scale) => ({
      contestants: ["ours", "theirs"].map(contestant),
      missing: [{ name: "third", reason: `scale ${scale}` }],
      async stop() {
        figure.stopped += 1;
      },
    }),
  };
  return figure;
}

const options = { rounds: 3, seconds: 2, scale: 0.5, budgetMs: 60_000 };

test("contestants take turns, every second round in reverse, and every round is kept", async () => {
  const announced = vi.spyOn(console, "error").mockImplementation(() => undefined);
  const turns: string[] = [];
  const figure = figureOf(turns);
  const { entries, missing } = await compare(figure, options);
  expect(turns).toEqual(["ours", "theirs", "theirs", "ours", "ours", "theirs"]);
  expect(entries.map(({ name, rounds }) => [name, rounds.map(({ perSecond }) => perSecond)])).toEqual([
    ["ours", [1, 4, 5]],
    ["theirs", [2, 3, 6]],
  ]);
  expect(missing).toEqual([{ name: "third", reason: "scale 0.5" }]);
  expect(String(announced.mock.calls[0])).toContain("NOT MEASURED: third: scale 0.5");
  expect(figure.stopped).toBe(1);
  announced.mockRestore();
});

test("no round starts that would exceed the budget, but the first one does", async () => {
  vi.spyOn(console, "error").mockImplementation(() => undefined);
  const turns: string[] = [];
  const { entries } = await compare(figureOf(turns, true), { ...options, budgetMs: 1 });
  expect(entries.map(({ rounds }) => rounds.length)).toEqual([1, 1]);
});

test("a contestant that fails ends the comparison, and everything is stopped", async () => {
  vi.spyOn(console, "error").mockImplementation(() => undefined);
  const figure = figureOf([]);
  const broken = { ...figure, columns: figure.columns, start: async () => breaking(await figure.start(1)) };
  await expect(compare(broken, options)).rejects.toThrow("it broke");
  expect(figure.stopped).toBe(1);
});

function breaking(arena: Awaited<ReturnType<Figure["start"]>>): Awaited<ReturnType<Figure["start"]>> {
  const [first] = arena.contestants;
  if (first === undefined) throw new Error("nobody takes part");
  const broken: Contestant = { ...first, measure: async () => Promise.reject(new Error("it broke")) };
  return { ...arena, contestants: [broken] };
}
