import { isTimestamp } from "./duration.js";

const RFC_3339 =
  /^(\d{4})-(\d{2})-(\d{2})[Tt](?:[01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;
const MAX_CHARS = 64;

/** Days that ended with a leap second (IERS, Bulletin C): no more are planned before 2035. */
const LEAP_DAYS: ReadonlySet<string> = new Set(
  [
    "1972-06-30 1972-12-31 1973-12-31 1974-12-31 1975-12-31 1976-12-31 1977-12-31 1978-12-31 1979-12-31",
    "1981-06-30 1982-06-30 1983-06-30 1985-06-30 1987-12-31 1989-12-31 1990-12-31 1992-06-30 1993-06-30",
    "1994-06-30 1995-12-31 1997-06-30 1998-12-31 2005-12-31 2008-12-31 2012-06-30 2015-06-30 2016-12-31",
  ].flatMap((line) => line.split(" ")),
);

/**
 * Epoch ms, truncated, of an RFC 3339 time; undefined: it is none, or outside the years 1 to 9999. A leap second
 * reads as the second before it, and is none where there was none. `Date.parse` alone would take 24:00 for the next day, and
 * 31 April for 1 May.
 */
export function parseRfc3339(text: string): number | undefined {
  const match = text.length <= MAX_CHARS ? RFC_3339.exec(text) : null;
  if (match === null) return undefined;
  const [, year, month, day, second] = match;
  const leapless = second === "60" ? `${text.slice(0, 17)}59${text.slice(19)}` : text;
  const ms = Date.parse(leapless.toUpperCase());
  if (!isTimestamp(ms) || !isCalendarDay(Number(year), Number(month), Number(day))) return undefined;
  return second === "60" && !isLeapSecond(ms) ? undefined : ms;
}

/** `ms`: within the second before it. */
function isLeapSecond(ms: number): boolean {
  const utc = new Date(ms).toISOString();
  return utc.slice(11, 19) === "23:59:59" && LEAP_DAYS.has(utc.slice(0, 10));
}

function isCalendarDay(year: number, month: number, day: number): boolean {
  return day <= 28 || new Date(Date.UTC(year, month - 1, day)).getUTCMonth() === month - 1;
}
