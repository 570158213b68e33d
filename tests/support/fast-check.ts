// The real one: vitest.config.ts replaces the package's name by this file in every test.
import fc from "../../node_modules/fast-check/lib/fast-check.js";
import { runs, TEST_SEED } from "./effort.js";

fc.configureGlobal({ numRuns: runs(100), seed: TEST_SEED });

export * from "../../node_modules/fast-check/lib/fast-check.js";
export default fc;
