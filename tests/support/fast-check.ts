// The real one: vitest.config.ts replaces the package's name by this file in every test.
import fc from "../../node_modules/fast-check/lib/fast-check.js";
import { runs } from "./effort.js";

const seed = process.env.METRLY_TEST_SEED;
fc.configureGlobal({ numRuns: runs(100), ...(seed && { seed: Number(seed) }) });

export * from "../../node_modules/fast-check/lib/fast-check.js";
export default fc;
