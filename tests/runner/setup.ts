import { afterAll, expect } from "vitest";
import { recordCpu } from "./cpu-budget.js";

// Runs before each test file.
afterAll(() => recordCpu(expect.getState().testPath ?? ""));
