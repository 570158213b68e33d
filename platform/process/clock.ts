import type { Clock } from "#kernel/clock.js";

/** This machine's clock. */
export const systemClock: Clock = { now: () => Date.now() };
