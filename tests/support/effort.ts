import { randomInt } from "node:crypto";

/**
 * The size of a test. `npm test` runs each scenario once with a small load; `npm run test:chaos` sets METRLY_TEST_LONG and runs
 * the same scenarios at full length.
 */
export const isLong: boolean = process.env.METRLY_TEST_LONG === "on";

/** A load, a number of kills, a duration: the first in `npm test`, the second under chaos. */
export const sized = <T>(small: T, long: T): T => (isLong ? long : small);

const DEFAULT_RUNS = 100;

/** The runs of a property test: `usual` by default, scaled when METRLY_TEST_RUNS is not 100. */
export function runs(usual: number): number {
  const scale = Number(process.env.METRLY_TEST_RUNS || DEFAULT_RUNS) / DEFAULT_RUNS;
  if (!(scale > 0))
    throw new RangeError(`METRLY_TEST_RUNS must be a positive number, not ${process.env.METRLY_TEST_RUNS}`);
  return Math.ceil(usual * scale);
}

/** METRLY_TEST_SEED, or a fresh seed. Printed, so that a failing run can be repeated. */
export function testSeed(): number {
  const seed = Number(process.env.METRLY_TEST_SEED || randomInt(1, 2 ** 31));
  process.stdout.write(`METRLY_TEST_SEED=${seed}\n`);
  return seed;
}
