import { HOUR_MS } from "./duration.js";

/** A half-open UTC interval [start, end), in epoch milliseconds. */
export interface Period {
  readonly start: number;
  readonly end: number;
}

const MIN_ANCHOR_DAY = 1;
const MAX_ANCHOR_DAY = 28;

/** The monthly billing period that contains `atMs`; periods start at 00:00 UTC on the anchor day (1..28). */
export function periodAt(atMs: number, anchorDay: number): Period {
  assertAnchorDay(anchorDay);
  const at = new Date(atMs);
  const monthsBack = at.getUTCDate() < anchorDay ? 1 : 0;
  const year = at.getUTCFullYear();
  const month = at.getUTCMonth() - monthsBack;
  return { start: Date.UTC(year, month, anchorDay), end: Date.UTC(year, month + 1, anchorDay) };
}

export function nextPeriod(period: Period, anchorDay: number): Period {
  return periodAt(period.end, anchorDay);
}

export function previousPeriod(period: Period, anchorDay: number): Period {
  return periodAt(period.start - 1, anchorDay);
}

export function contains(period: Period, atMs: number): boolean {
  return period.start <= atMs && atMs < period.end;
}

/** Start of the UTC hour that contains `atMs`: the granularity of stored usage. */
export function hourOf(atMs: number): number {
  return Math.floor(atMs / HOUR_MS) * HOUR_MS;
}

function assertAnchorDay(day: number): void {
  if (!Number.isInteger(day) || day < MIN_ANCHOR_DAY || day > MAX_ANCHOR_DAY) {
    throw new RangeError(`billing anchor day must be ${MIN_ANCHOR_DAY}..${MAX_ANCHOR_DAY}, not ${day}`);
  }
}
