import path from "node:path";
import type { Result as Cell } from "../faults/results.js";
import type { Bug } from "../mutants/bugs/bug.js";
import { type Result as Hunted, isCaught, resultsOf } from "../mutants/results.js";
import type { Result as Scored } from "../mutation-score/results.js";
import { percentOf, totalOf } from "../mutation-score/score.js";
import type { SoakResult } from "../soak/results.js";
import type { Row } from "./table.js";

/** Least part of the small changes that the tests must notice. */
const LEAST_PERCENT = 90;

/** The promises that a cell of the fault matrix judges. */
const OF_A_CELL = ["1", "2", "3", "4", "5", "7"];

/** Results of other sources are shown apart, as stale. */
export function matrixRows(results: readonly Cell[], sources: string): Row[] {
  return split(results, (result) => result.sources === sources).flatMap(([some, isStale]) =>
    OF_A_CELL.map((promise) => ({
      ...{ promise, tried: "fault matrix", cases: some.length, isStale },
      violations: some.filter(({ violated }) => violated !== undefined).length,
      again: "npm run faults",
    })),
  );
}

export function soakRows(result: SoakResult | undefined, sources: string): Row[] {
  if (result === undefined) return [];
  const isStale = result.sources !== sources;
  return soakChecks(result, `soak of ${result.minutes} minutes`).map((row) => ({
    ...{ ...row, isStale },
    again: `npm run soak -- --minutes ${result.minutes}`,
  }));
}

/** A row for each promise. */
export function soakChecks({ checks, seed, minutes }: SoakResult, tried: string): Omit<Row, "seconds">[] {
  const promises = [...new Set(checks.map(({ promise }) => promise))].sort((a, b) => a - b);
  return promises.map((promise) => {
    const mine = checks.filter((check) => check.promise === promise);
    const sum = (of: (check: (typeof mine)[number]) => number) => mine.reduce((all, check) => all + of(check), 0);
    return {
      ...{
        promise: String(promise),
        tried,
        cases: sum(({ cases }) => cases),
        violations: sum((one) => one.violations),
      },
      again: `npm run soak -- --minutes ${minutes} --seed ${seed}`,
    };
  });
}

export function bugRows(
  bugs: readonly Bug[],
  results: Readonly<Record<string, Hunted>>,
  isNow: (commit: string) => boolean,
): Row[] {
  const judged = Object.values(resultsOf(bugs, results)).filter((result) => isCaught(result) !== undefined);
  return split(judged, ({ commit }) => isNow(commit)).map(([some, isStale]) => ({
    ...{ promise: "bugs", tried: `seeded bugs, of ${bugs.length}`, cases: some.length, isStale },
    violations: some.filter((result) => isCaught(result) === false).length,
    again: "npm run mutants",
  }));
}

/** Each room with too low a score is a violation: another one's high score does not make up for it. */
export function scoreRows(results: Readonly<Record<string, Scored>>, isNow: (commit: string) => boolean): Row[] {
  return split(Object.entries(results), ([, { commit }]) => isNow(commit)).map(([some, isStale]) => {
    const score = totalOf(some.map(([, one]) => one));
    const scoreOf = (room: string) => totalOf(some.flatMap(([file, one]) => (path.dirname(file) === room ? one : [])));
    const rooms = [...new Set(some.map(([file]) => path.dirname(file)))];
    const low = rooms.filter((room) => Number(percentOf(scoreOf(room))) < LEAST_PERCENT);
    return {
      ...{ promise: "bugs", tried: `small changes, ${percentOf(score)} % noticed`, cases: score.mutants, isStale },
      violations: low.length,
      again: "npm run mutants:score",
    };
  });
}

/** Those of now, and the stale ones; without empty parts. */
function split<T>(results: readonly T[], isNow: (result: T) => boolean): (readonly [readonly T[], boolean])[] {
  const parts = [
    [results.filter(isNow), false],
    [results.filter((result) => !isNow(result)), true],
  ] as const;
  return parts.filter(([some]) => some.length > 0);
}
