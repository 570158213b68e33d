import type { Clock } from "#kernel/clock.js";
import { nowMs } from "#platform/lifecycle/time.js";

export const systemClock: Clock = { now: nowMs };
