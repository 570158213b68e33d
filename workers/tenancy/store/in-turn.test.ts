import { expect, test } from "vitest";
import { createTurns } from "./in-turn.js";

test("tasks run one at a time, in order, also after one that failed, and the queue is bounded", async () => {
  const inTurn = createTurns(3);
  const seen: string[] = [];
  const work = (name: string, fails = false) =>
    inTurn(async () => {
      seen.push(`${name} begins`);
      await new Promise((resolve) => setImmediate(resolve));
      seen.push(`${name} ends`);
      if (fails) throw new Error(name);
      return name;
    });
  const turns = [work("a"), work("b", true), work("c")];
  expect(() => work("d")).toThrow(expect.objectContaining({ code: "BUSY" }));
  const outcomes = await Promise.allSettled(turns);
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(seen).toEqual(["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
  expect(await work("e")).toBe("e");
});
