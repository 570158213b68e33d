import { expect, test } from "vitest";
import { cells } from "./matrix.js";
import type { Result } from "./results.js";
import { tableOf } from "./table.js";

const run = (own: Partial<Result>): Result => ({
  ...{ component: "quota", fault: "kill", seed: 1, seconds: 9, commit: "c0ffee", date: "2026-11-29", sources: "now" },
  ...own,
});

test("a result counts for its sources only, and what failed or did not run is seen", () => {
  const results = [
    run({}),
    run({ violated: "a notice was lost" }),
    run({ component: "edge", sources: "before" }),
    run({ component: "redis" }),
  ];
  const table = tableOf(results, "now");
  expect(table).toContain(`${cells().length} cells: 0 held in 3 runs or more, 2 in fewer, 1 had a violation,`);
  expect(table).toContain("- 3 runs of commit `c0ffee` (2026-11-29), sources `now`: 2 held\n");
  expect(table).toContain("sources `before`: 1 held; the sources have changed since");
  const row = table.split("\n").find((line) => line.startsWith("| kill |"));
  expect(row).toBe("| kill | (1/1) | . | . | . | . | **1/2** | . | . | . | . | 1/1 | . |");
});

test("most pairs make sense, and an unknown name is refused", () => {
  expect(cells().length).toBeGreaterThanOrEqual(110);
  expect(cells("quota,edge", "kill,flush,locale")).toHaveLength(4);
  expect(() => cells("quotas")).toThrow("--component must be one or some of edge,");
  expect(() => cells("quota", "sleep")).toThrow("--fault must be one or some of kill,");
});
