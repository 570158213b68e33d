import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../duration.js";
import { type CalendarUnit, calendarPeriodAt, hasClockOf, isTimeZone, RENAMED } from "./calendar.js";

/**
 * Zones and days around changes of their clocks: half hours, midnights that are skipped or come twice, a skipped day, changes a
 * minute after midnight, and two changes within a month.
 */
const CHANGES: readonly (readonly [zone: string, ...days: string[]])[] = [
  ["UTC", "2026-03-29"],
  ["Europe/Berlin", "2026-03-29", "2026-10-25"],
  ["Europe/Dublin", "2026-03-29", "2026-10-25"],
  ["America/New_York", "2026-03-08", "2026-11-01"],
  ["America/St_Johns", "2026-03-08", "2026-11-01", "2010-03-14", "2010-11-07"],
  ["America/Sao_Paulo", "2018-11-04", "2018-02-18"],
  ["America/Havana", "2026-03-08", "2026-11-01"],
  ["America/Santiago", "2026-04-05", "2026-09-06"],
  ["Africa/Cairo", "2026-04-24", "2026-10-30"],
  ["Africa/Casablanca", "2026-02-15", "2026-03-22"],
  ["Asia/Beirut", "2026-03-29", "2026-10-25"],
  ["Asia/Kathmandu", "2026-03-29"],
  ["Asia/Kolkata", "2026-03-29"],
  ["Australia/Lord_Howe", "2026-04-05", "2026-10-04"],
  ["Antarctica/Troll", "2026-03-29", "2026-10-25"],
  ["Pacific/Chatham", "2026-04-05", "2026-09-27"],
  ["Pacific/Apia", "2011-12-30", "2011-12-31", "2012-01-01"],
  ["Asia/Pyongyang", "2015-08-15", "2018-05-05"],
];
const UNITS: readonly CalendarUnit[] = ["day", "week", "month"];

/** The local date as a number that ascends with it: `year * 10,000 + month * 100 + day`, by other means than the code. */
function dateReader(timeZone: string): (atMs: number) => number {
  const format = new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short" });
  return (atMs) => Number(format.format(atMs).replaceAll("-", ""));
}

function nameOf(unit: CalendarUnit, date: number): string {
  const [year, month, day] = [Math.floor(date / 10_000), Math.floor(date / 100) % 100, date % 100];
  if (unit === "month") return `${year}-${month}`;
  const noon = new Date(Date.UTC(year, month - 1, day, 12));
  if (unit === "week") noon.setUTCDate(noon.getUTCDate() - ((noon.getUTCDay() + 6) % 7));
  return noon.toISOString().slice(0, 10);
}

/**
 * Walks minute by minute, with the latest date reached so far: the minutes at which another window begins, and the window of each
 * minute.
 */
function walk(timeZone: string, from: number, to: number) {
  const dateAt = dateReader(timeZone);
  const starts: Record<CalendarUnit, number[]> = { day: [], week: [], month: [] };
  let reached = dateAt(from);
  for (let at = from + MINUTE_MS; at <= to; at += MINUTE_MS) {
    const date = dateAt(at);
    if (date <= reached) continue;
    for (const unit of UNITS) if (nameOf(unit, date) !== nameOf(unit, reached)) starts[unit].push(at);
    reached = date;
  }
  return starts;
}

describe.each(CHANGES)("in %s", (zone, ...days) => {
  test.each(days)("days, weeks and months around %s begin where a walk by minutes finds it", (day) => {
    const noon = Date.parse(`${day}T12:00:00Z`);
    const [from, to] = [noon - 2 * DAY_MS, noon + 2 * DAY_MS];
    const starts = walk(zone, from, to);
    for (const unit of UNITS) {
      const found = new Set<number>();
      for (let at = from; at <= to; at += 7 * MINUTE_MS) {
        const { start } = calendarPeriodAt(unit, at, zone);
        if (start > from) found.add(start);
      }
      expect([...found]).toEqual(starts[unit]);
      for (const start of starts[unit]) {
        expect(calendarPeriodAt(unit, start, zone).start).toBe(start);
        expect(calendarPeriodAt(unit, start - 1, zone).end).toBe(start);
      }
    }
  });
});

test("every instant is in exactly one day, week and month, and they follow each other without a gap", () => {
  const zone = fc.constantFrom(...CHANGES.map(([name]) => name));
  const instant = fc.integer({ min: Date.UTC(2000, 0, 1), max: Date.UTC(2100, 0, 1) });
  fc.assert(
    fc.property(zone, fc.constantFrom(...UNITS), instant, (timeZone, unit, at) => {
      const { start, end } = calendarPeriodAt(unit, at, timeZone);
      expect(start <= at && at < end).toBe(true);
      expect(calendarPeriodAt(unit, end, timeZone).start).toBe(end);
      expect(calendarPeriodAt(unit, start - 1, timeZone).end).toBe(start);
      const date = dateReader(timeZone);
      expect(nameOf(unit, date(start))).not.toBe(nameOf(unit, date(start - 1)));
      for (const larger of ["week", "month"] as const) {
        const whole = calendarPeriodAt(larger, at, timeZone);
        const one = calendarPeriodAt("day", at, timeZone);
        expect(whole.start <= one.start && one.end <= whole.end).toBe(true);
      }
    }),
    { numRuns: 300 },
  );
});

test("days have the hours that the clock gives them, and weeks begin on Monday", () => {
  const hours = (unit: CalendarUnit, at: string, zone: string): number => {
    const { start, end } = calendarPeriodAt(unit, Date.parse(at), zone);
    return (end - start) / HOUR_MS;
  };
  expect(hours("day", "2026-03-29T12:00:00Z", "Europe/Berlin")).toBe(23);
  expect(hours("day", "2026-10-25T12:00:00Z", "Europe/Berlin")).toBe(25);
  expect(hours("day", "2026-10-04T12:00:00Z", "Australia/Lord_Howe")).toBe(23.5);
  expect(hours("day", "2026-04-04T16:00:00Z", "Australia/Lord_Howe")).toBe(24.5);
  expect(hours("day", "2018-11-04T12:00:00Z", "America/Sao_Paulo")).toBe(23);
  expect(hours("week", "2011-12-28T12:00:00Z", "Pacific/Apia")).toBe(6 * 24);
  expect(hours("month", "2026-03-10T12:00:00Z", "America/New_York")).toBe(31 * 24 - 1);
  expect(calendarPeriodAt("week", Date.parse("2026-11-29T23:30:00Z"), "Europe/Berlin")).toEqual({
    start: Date.parse("2026-11-29T23:00:00Z"),
    end: Date.parse("2026-12-06T23:00:00Z"),
  });
});

test("a time zone is a name of the IANA database, as it is written there", () => {
  const right = ["UTC", "Etc/UTC", "Etc/GMT+5", "Etc/GMT-14", "Europe/Berlin", "America/Indiana/Knox"];
  // Whichever name of a zone this Node lists, other versions list the other one.
  for (const name of [...right, ...RENAMED.flat(), ...Intl.supportedValuesOf("timeZone")])
    expect([name, isTimeZone(name)]).toEqual([name, true]);
  const winter = Date.UTC(2026, 0, 15, 12);
  for (const [old, today] of RENAMED)
    expect([today, calendarPeriodAt("day", winter, today)]).toEqual([today, calendarPeriodAt("day", winter, old)]);
});

test("abbreviations, old links, offsets, other cases and unknown names are no time zones", () => {
  const abbreviations = ["BST", "IST", "CST", "PST", "JST", "EST", "CET", "GMT", "Gmt", "Z", "PST8PDT"];
  const links = [
    "US/Pacific",
    "Asia/KOLKATA",
    "Asia/kolkata",
    "Europe/kyiv",
    "Japan",
    "Etc/GMT+05",
    "Etc/GMT+15",
    "Etc/Gmt+5",
  ];
  const wrong = ["", "Mars/Olympus", "+05:30", "europe/berlin", "EUROPE/BERLIN", "Europe/Berlin ", "../etc", "utc"];
  for (const name of [...abbreviations, ...links, ...wrong, "A".repeat(100_000)])
    expect([name.slice(0, 20), isTimeZone(name)]).toEqual([name.slice(0, 20), false]);
});

test("a process has the clock of each zone that its ICU knows, by any name", () => {
  for (const name of ["UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Calcutta", "US/Pacific"])
    expect([name, hasClockOf(name)]).toEqual([name, true]);
  for (const name of ["", "America/NewZone", "+05:30", "Europe/Berlin\n"])
    expect([name, hasClockOf(name)]).toEqual([name, false]);
});
