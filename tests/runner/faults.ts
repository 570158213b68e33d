import { randomInt } from "node:crypto";
import { cells } from "../faults/matrix.js";
import { writeTable } from "../faults/table.js";
import { runVitest, type Tally } from "./vitest-run.js";

export interface FaultsOptions {
  readonly runDir: string;
  readonly component: string | undefined;
  readonly fault: string | undefined;
  /** How often each cell runs. */
  readonly times: string;
  /** Only cells that have not run so often on these sources. */
  readonly missing: boolean;
  /** Larger loads, longer faults. */
  readonly long: boolean;
  readonly seed: string | undefined;
}

/** Runs the cells of the fault matrix in the order of a seed, and writes their table. */
export async function runFaults({
  runDir,
  component,
  fault,
  times,
  missing,
  long,
  seed,
}: FaultsOptions): Promise<Tally> {
  if (!(Number(times) >= 1)) throw new RangeError(`--times must be a positive number, not ${times}`);
  if (cells(component, fault).length === 0) throw new RangeError(`${component} ${fault} makes no sense`);
  const env = {
    METRLY_TEST_SEED: seed ?? String(randomInt(1, 2 ** 31)),
    METRLY_FAULTS_TIMES: times,
    ...(component !== undefined && { METRLY_FAULTS_COMPONENT: component }),
    ...(fault !== undefined && { METRLY_FAULTS_FAULT: fault }),
    ...(missing && { METRLY_FAULTS_MISSING: "on" }),
    ...(long && { METRLY_TEST_LONG: "on" }),
  };
  const tally = await runVitest(runDir, ["tests/faults/matrix.test.ts"], env);
  writeTable();
  return tally;
}
