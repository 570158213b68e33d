import type { JudgedSurvivor } from "./score.js";

/** Surviving mutants that no test can tell from the code. */
export const JUDGED: readonly JudgedSurvivor[] = [];
