import { HOUR_MS, isTimestamp, MINUTE_MS, SECOND_MS } from "./duration.js";

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
  return usualTime(text) ?? parseAny(text);
}

const ZERO = 48;
const DASH = 45;
const COLON = 58;
const DOT = 46;
const T = 84;
const Z = 90;

/** A time of this century in UTC, as most clients print it, with or without milliseconds; undefined: perhaps another one. */
function usualTime(text: string): number | undefined {
  const hasMs = text.length === 24;
  if (!hasMs && text.length !== 20) return undefined;
  const isMarked =
    text.charCodeAt(4) === DASH &&
    text.charCodeAt(7) === DASH &&
    text.charCodeAt(10) === T &&
    text.charCodeAt(13) === COLON &&
    text.charCodeAt(16) === COLON &&
    text.charCodeAt(text.length - 1) === Z &&
    (!hasMs || text.charCodeAt(19) === DOT);
  if (!isMarked || text.charCodeAt(0) !== ZERO + 2 || text.charCodeAt(1) !== ZERO) return undefined;
  const year = 2_000 + twoDigits(text, 2);
  const month = twoDigits(text, 5);
  const day = twoDigits(text, 8);
  const hour = twoDigits(text, 11);
  const minute = twoDigits(text, 14);
  const second = twoDigits(text, 17);
  const ms = hasMs ? 10 * twoDigits(text, 20) + digit(text, 22) : 0;
  // What is not a digit is NaN, and compares false.
  const isDay = year >= 2_000 && day >= 1 && day <= (SURE_DAYS[month - 1] ?? 0);
  if (!isDay || !(hour <= 23 && minute <= 59 && second <= 59 && ms >= 0)) return undefined;
  return startOfDay(year, month, day) + hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS + ms;
}

/** Of each month, in every year. */
const SURE_DAYS: readonly number[] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Consecutive times usually share a day. */
let lastDay = { year: 2_000, month: 1, day: 1, start: Date.UTC(2_000, 0, 1) };

function startOfDay(year: number, month: number, day: number): number {
  if (lastDay.day !== day || lastDay.month !== month || lastDay.year !== year)
    lastDay = { year, month, day, start: Date.UTC(year, month - 1, day) };
  return lastDay.start;
}

const twoDigits = (text: string, at: number): number => 10 * digit(text, at) + digit(text, at + 1);

function digit(text: string, at: number): number {
  const value = text.charCodeAt(at) - ZERO;
  return value >= 0 && value <= 9 ? value : Number.NaN;
}

function parseAny(text: string): number | undefined {
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
