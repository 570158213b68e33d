import { existsSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { packageRoot } from "#platform/process/package-root.js";
import type { Result } from "../faults/results.js";
import type { Bug } from "../mutants/bugs/bug.js";
import type { SoakResult } from "../soak/results.js";
import { pageWith } from "./page.js";
import { PROMISES } from "./promises.js";
import { filesOf } from "./samples.js";
import { bugRows, matrixRows, scoreRows, soakRows } from "./stored.js";
import { holds, type Row, tableOf } from "./table.js";

describe("stored results", () => {
  const cell = (own: Partial<Result>): Result => ({
    ...{ component: "quota", fault: "kill", seed: 1, seconds: 9, commit: "c0ffee", date: "2026-11-29", sources: "now" },
    ...own,
  });
  const bug = (name: string): Bug => ({ name, wrong: "", breaks: "", edits: [], unseen: false }) as unknown as Bug;
  const hunted = (commit: string, ...caughtBy: string[]) => ({ caughtBy, cpuSeconds: 1, commit, date: "2026-11-29" });
  const isNow = (commit: string): boolean => commit === "now";

  test("those of other sources are stale, and neither hold nor break anything", () => {
    const rows = matrixRows([cell({}), cell({ sources: "before", violated: "lost" })], "now");
    const [fresh, stale] = rows.filter(({ promise }) => promise === "4").toSorted((a) => (a.isStale ? 1 : -1));
    expect(fresh).toMatchObject({ cases: 1, violations: 0, isStale: false });
    expect(stale).toMatchObject({ cases: 1, violations: 1, isStale: true });
    expect(holds(rows)).toBe(true);
    expect(tableOf(rows, PROMISES)).toMatch(/fault matrix +1 +stale +stored +npm run faults/);
  });

  test("a violation of these sources breaks", () => {
    expect(holds(matrixRows([cell({ violated: "lost" })], "now"))).toBe(false);
    expect(holds(bugRows([bug("a")], { a: hunted("now") }, isNow))).toBe(false);
    expect(holds(bugRows([bug("a")], { a: hunted("now", "x.test.ts") }, isNow))).toBe(true);
    expect(holds(bugRows([bug("a")], { a: { ...hunted("now"), ownTestCatches: true, gaveUp: "late" } }, isNow))).toBe(
      true,
    );
    expect(bugRows([bug("a")], { a: { ...hunted("now"), gaveUp: "late" } }, isNow)).toEqual([]);
    const rewritten = { a: { ...hunted("now", "x.test.ts"), edits: "another bug's" } };
    expect(bugRows([bug("a")], rewritten, isNow), "a result of the bug as it was before").toEqual([]);
    const score = (killed: number) => ({ f: { mutants: 100, killed, equivalent: 0, commit: "now", date: "" } });
    expect(holds(scoreRows(score(89), isNow))).toBe(false);
    expect(holds(scoreRows(score(90), isNow))).toBe(true);
    const of = (mutants: number, killed: number) => ({ mutants, killed, equivalent: 0, commit: "now", date: "" });
    const rooms = { "kernel/a.ts": of(1_000, 1_000), "workers/quota/rules/a.ts": of(10, 0) };
    expect(scoreRows(rooms, isNow)).toMatchObject([{ cases: 1_010, violations: 1 }]);
  });

  test("a soak counts by promise", () => {
    const checks = [
      { promise: 1, what: "a", cases: 3, violations: 0 },
      { promise: 1, what: "b", cases: 4, violations: 2 },
      { promise: 4, what: "c", cases: 5, violations: 0 },
    ];
    const soak = { minutes: 60, seed: 3, sources: "now", checks } as unknown as SoakResult;
    expect(soakRows(soak, "now")).toMatchObject([
      { promise: "1", cases: 7, violations: 2, isStale: false },
      { promise: "4", cases: 5, violations: 0, isStale: false },
    ]);
    expect(holds(soakRows(soak, "now"))).toBe(false);
    expect(holds(soakRows(soak, "later"))).toBe(true);
    expect(soakRows(undefined, "now")).toEqual([]);
  });
});

test("the table names each promise, also one that nothing has tried", () => {
  const row: Row = { promise: "2", tried: "simulation", cases: 40, violations: 0, seconds: 61.4, again: "npm run x" };
  const lines = tableOf([row, { ...row, tried: "lives" }], PROMISES).split("\n");
  expect(lines[0]).toMatch(/^promise +what tried it +cases +violations +seconds +again$/);
  expect(lines.find((line) => line.startsWith("1."))).toMatch(/nothing in this run +0$/);
  const second = lines.findIndex((line) => line.startsWith("2."));
  expect(lines[second]).toMatch(/simulation +40 +0 +61 +npm run x$/);
  expect(lines[second + 1]).toMatch(/^ +lives +40/);
});

test("docs/correctness.md lists these proofs, and each of them is there", () => {
  const { is, should } = pageWith();
  expect(is, "npm run prove -- --page").toBe(should);
  for (const promised of PROMISES) {
    for (const { path: at } of promised.proofs)
      if (at !== undefined) expect(existsSync(path.join(packageRoot(), at)), at).toBe(true);
    for (const file of filesOf(promised)) expect(existsSync(path.join(packageRoot(), file)), file).toBe(true);
    if (promised.id !== "bugs") expect(filesOf(promised).length, promised.title).toBeGreaterThan(0);
  }
});
