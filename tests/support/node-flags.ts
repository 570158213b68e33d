import { isLong } from "./effort.js";

/**
 * Flags of Node for the processes that a test starts. In `npm test` they live too short for the optimizing compiler and the
 * concurrent collector to pay off; under chaos they run as an operator starts them.
 */
export const nodeFlags: readonly string[] = isLong ? [] : ["--no-opt", "--single-threaded-gc"];
