// Durations in milliseconds. UTC days, which are always 24 hours long.
export const SECOND_MS = 1_000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

/** The furthest instant that a Date can be from 1970, in either direction. */
export const MAX_INSTANT_MS = 8.64e15;

const FIRST_TIMESTAMP_MS = Date.parse("0001-01-01T00:00:00Z");
const LAST_TIMESTAMP_MS = Date.parse("9999-12-31T23:59:59.999Z");

/** Whether a database's timestamp and RFC 3339 can have the instant: years 1 to 9999. */
export const isTimestamp = (ms: number): boolean => ms >= FIRST_TIMESTAMP_MS && ms <= LAST_TIMESTAMP_MS;
