import { isLong } from "./effort.js";

const isFaultMatrix = process.env.METRLY_FAULTS_TIMES !== undefined || process.env.METRLY_FAULTS_TAKE !== undefined;

/**
 * Flags of Node for the processes that a test starts. In `npm test` they live too short for the optimizing compiler and the
 * concurrent collector to pay off; under chaos, in the fault matrix and in benchmarks they run as an operator starts them.
 */
export const nodeFlags: readonly string[] = isLong || isFaultMatrix ? [] : ["--no-opt", "--single-threaded-gc"];
