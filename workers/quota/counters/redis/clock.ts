import { monotonicMs } from "#platform/lifecycle/time.js";

/** Tolerance between Redis' clock and where this process expects it: beyond it, the clock jumped. */
export const CLOCK_TOLERANCE_MS = 2_000;

export type StoreClock = ReturnType<typeof createStoreClock>;

/**
 * Redis' clock as this process estimates it, by its own monotonic one. An answer says that Redis' clock showed `redisNow` at
 * some moment between the request and now, which bounds the difference from both sides.
 */
export function createStoreClock(redisNow: number, sentAt: number) {
  /** Redis' clock minus the monotonic one. */
  let offset = redisNow - (sentAt + monotonicMs()) / 2;

  const bounded = (heard: number, from: number): number =>
    Math.min(heard + 1 - from, Math.max(heard - monotonicMs(), offset));

  return {
    now: (): number => Math.round(offset + monotonicMs()),
    heard(heard: number, from: number): void {
      offset = bounded(heard, from);
    },
    /** Whether the answer can be explained without a jump. */
    explains: (heard: number, from: number): boolean => Math.abs(bounded(heard, from) - offset) <= CLOCK_TOLERANCE_MS,
  };
}

/** The answer of TIME in ms. */
export function redisMs(reply: unknown): number {
  const [seconds, micros] = Array.isArray(reply) ? reply.map(Number) : [];
  if (seconds === undefined || micros === undefined) throw new TypeError("not a time from Redis");
  return seconds * 1000 + Math.floor(micros / 1000);
}
