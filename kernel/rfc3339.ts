import { isTimestamp } from "./duration.js";

const RFC_3339 =
  /^(\d{4})-(\d{2})-(\d{2})[Tt](?:[01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;
const MAX_CHARS = 64;

/**
 * Epoch ms, truncated, of an RFC 3339 time; undefined: it is none, or outside the years 1 to 9999. A leap second reads as the
 * second before it. `Date.parse` alone would take 24:00 for the next day, and 31 April for 1 May.
 */
export function parseRfc3339(text: string): number | undefined {
  const match = text.length <= MAX_CHARS ? RFC_3339.exec(text) : null;
  if (match === null) return undefined;
  const [, year, month, day, second] = match;
  const leapless = second === "60" ? `${text.slice(0, 17)}59${text.slice(19)}` : text;
  const ms = Date.parse(leapless.toUpperCase());
  return isTimestamp(ms) && isCalendarDay(Number(year), Number(month), Number(day)) ? ms : undefined;
}

function isCalendarDay(year: number, month: number, day: number): boolean {
  return day <= 28 || new Date(Date.UTC(year, month - 1, day)).getUTCMonth() === month - 1;
}
