import type { Clock } from "#kernel/clock.js";
import { nowMs } from "#platform/lifecycle/time.js";

/** This machine's clock. */
export const systemClock: Clock = { now: nowMs };
