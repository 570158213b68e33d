import { configureGlobal } from "fast-check";
import { afterAll, expect } from "vitest";
import { runs } from "../support/effort.js";
import { recordCpu } from "./cpu-budget.js";

// Runs before each test file.
const seed = process.env.METRLY_TEST_SEED;
configureGlobal({ numRuns: runs(100), ...(seed && { seed: Number(seed) }) });

afterAll(() => recordCpu(expect.getState().testPath ?? ""));
