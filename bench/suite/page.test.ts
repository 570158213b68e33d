import { expect, test } from "vitest";
import type { Column } from "./figure.js";
import { generated, pageOf } from "./page.js";
import { type FigureResult, readResults } from "./results.js";
import { ratiosOf } from "./spread.js";

const RATE: Column = { key: "perSecond", title: "events/s", better: "more", digits: 0 };
const COST: Column = { key: "cpuUs", title: "CPU µs", better: "less", digits: 1 };
const ours = [
  { perSecond: 100, cpuUs: 4 },
  { perSecond: 300, cpuUs: 2 },
  { perSecond: 200, cpuUs: 2 },
];
const theirs = [
  { perSecond: 200, cpuUs: 8 },
  { perSecond: 300, cpuUs: 6 },
  { perSecond: 400, cpuUs: 2 },
];

test("the page and its pictures are those of the stored results", async () => {
  for (const { file, is, should } of await generated(await readResults())) expect(is, file).toBe(should);
});

test("ratios compare within rounds, and more than 1 is better whatever a column counts", () => {
  expect(ratiosOf(RATE, { rounds: ours }, { rounds: theirs })).toEqual({ median: 0.5, least: 0.5, greatest: 1 });
  expect(ratiosOf(COST, { rounds: ours }, { rounds: theirs })).toEqual({ median: 2, least: 1, greatest: 3 });
  expect(ratiosOf(COST, { rounds: [{ perSecond: 1 }] }, { rounds: theirs })).toBeUndefined();
});

test("the page says where another system does better, what is missing, and when rounds are too few", () => {
  const figure: FigureResult = {
    ...{ title: "Counting", text: "Work.", columns: [RATE, COST], base: "Other", seconds: 2 },
    entries: [
      { name: "Metrly", workload: "8 connections", kind: "metrly", version: undefined, rounds: ours },
      { name: "Other", workload: "8 connections", kind: "peer", version: "1.2.3", rounds: theirs },
    ],
    missing: [{ name: "Third", reason: "there is no compiler" }],
    measured: {
      ...{ commit: "abc1234", date: "2026-11-29", cpu: "A", cores: 2, memoryGb: 4, system: "Linux 6", node: "20.0.0" },
      loadBefore: 1,
    },
  };
  const page = pageOf({ figures: { counting: figure }, programs: {} });
  expect(page).toContain("- Counting, 8 connections: Other beats Metrly in events/s (2 times).");
  expect(page).not.toContain("beats Metrly in CPU");
  expect(page).toContain("**Not measured:** Third: there is no compiler");
  expect(page).toContain("| Other (the reference) | 1.2.3 | 300 (200 to 400) | 6.0 (2.0 to 8.0) | 1 |");
  expect(page).toContain("not to be quoted");
  const five = [...ours, ...ours].slice(0, 5);
  const quiet = { ...figure, entries: figure.entries.map((entry) => ({ ...entry, rounds: five })) };
  expect(pageOf({ figures: { counting: quiet }, programs: {} })).not.toContain("not to be quoted");
});
