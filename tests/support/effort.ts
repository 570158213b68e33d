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

/**
 * Of all random inputs: METRLY_TEST_SEED, or the same in each run, so that what fails is of the change at hand. New inputs are for
 * `npm run test:chaos`, `npm run simulate` and `npm run prove`.
 */
export const TEST_SEED: number = Number(process.env.METRLY_TEST_SEED || 20_261_129);

/** The seed, printed, so that a failing run of its scenario can be repeated. */
export function testSeed(): number {
  process.stdout.write(`METRLY_TEST_SEED=${TEST_SEED}\n`);
  return TEST_SEED;
}
