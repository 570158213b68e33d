import { expect, test } from "vitest";
import { packageRoot } from "#platform/process/package-root.js";
import { mutantsOf, type ReportedMutant, type TesterReport } from "./report.js";
import { pageWith, readResults } from "./results.js";
import { scoredRooms } from "./rooms.js";
import { type JudgedSurvivor, judge, percentOf } from "./score.js";

const SOURCE = "export function isLess(a, b) {\n  return a < b;\n}\n";
const at = (line: number, from: number, endLine: number, to: number): ReportedMutant["location"] => ({
  ...{ start: { line, column: from }, end: { line: endLine, column: to } },
});
const reportOf = (source: string, lineAdded: number): TesterReport => ({
  files: {
    "kernel/less.ts": {
      source,
      mutants: [
        { status: "Survived", replacement: "a <= b", location: at(2 + lineAdded, 10, 2 + lineAdded, 15) },
        { status: "Killed", replacement: "a >= b", location: at(2 + lineAdded, 10, 2 + lineAdded, 15) },
        {
          ...{ status: "Timeout", statusReason: "Hit limit reached (501/500)" },
          ...{ replacement: "{}", location: at(1 + lineAdded, 30, 3 + lineAdded, 2) },
        },
        { status: "NoCoverage", replacement: "true", location: at(2 + lineAdded, 10, 2 + lineAdded, 15) },
        { status: "CompileError", replacement: "", location: at(2 + lineAdded, 10, 2 + lineAdded, 15) },
      ],
    },
  },
});
const judged: JudgedSurvivor = {
  ...{ file: "kernel/less.ts", line: "return a < b;", change: "a < b -> a <= b", why: "never equal" },
};

test("a survivor is judged wherever its line moves, and as long as it survives as it was judged", () => {
  for (const report of [reportOf(SOURCE, 0), reportOf(`// a comment\n${SOURCE}`, 1)]) {
    const { score, holes, stale } = judge(mutantsOf(report), [judged]);
    expect(score).toEqual({ mutants: 4, killed: 2, equivalent: 1 });
    expect(holes.map(({ change }) => change)).toEqual(["a < b -> true"]);
    expect(stale).toEqual([]);
  }
  const caught = { ...judged, change: "a < b -> a >= b" };
  expect(judge(mutantsOf(reportOf(SOURCE, 0)), [caught])).toMatchObject({ stale: [caught], score: { equivalent: 0 } });
  const elsewhere = { ...judged, file: "kernel/more.ts" };
  expect(judge(mutantsOf(reportOf(SOURCE, 0)), [elsewhere]).stale).toEqual([]);
  expect(mutantsOf(reportOf(SOURCE, 0))[2]?.change).toBe("{ return a < b; } -> {}");
});

test("an endless loop is killed by its turns, and never by the clock", () => {
  const report = (statusReason?: string): TesterReport => {
    const mutant = { status: "Timeout", replacement: "true", location: at(2, 10, 2, 15) };
    const mutants = [statusReason === undefined ? mutant : { ...mutant, statusReason }];
    return { files: { "kernel/less.ts": { source: SOURCE, mutants } } };
  };
  expect(judge(mutantsOf(report("Hit limit reached (501/500)")), []).score.killed).toBe(1);
  const late = judge(mutantsOf(report()), []);
  expect(late.score).toEqual({ mutants: 1, killed: 0, equivalent: 0 });
  expect(late.holes).toMatchObject([{ isUnknown: true }]);
});

test("the score is rounded down, so that 90 means 90", () => {
  expect(percentOf({ mutants: 10_000, killed: 8_999, equivalent: 1 })).toBe("89.9");
  expect(percentOf({ mutants: 10, killed: 9, equivalent: 0 })).toBe("90.0");
  expect(percentOf({ mutants: 0, killed: 0, equivalent: 0 })).toBe("0.0");
});

test("the page on correctness has the table of the stored results", async () => {
  const { is, should } = await pageWith(await readResults());
  expect(is).toBe(should);
});

test("all pure code is scored, also that in inner folders", async () => {
  const rooms = await scoredRooms(packageRoot());
  for (const room of ["kernel", "kernel/time-zones", "workers/billing/rules"]) expect(rooms).toContain(room);
});
