// Durations in milliseconds. UTC days, which are always 24 hours long.
export const SECOND_MS = 1_000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

/** The furthest instant that a Date can be from 1970, in either direction. */
export const MAX_INSTANT_MS = 8.64e15;
