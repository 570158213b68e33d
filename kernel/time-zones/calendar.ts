import { DAY_MS } from "../duration.js";
import { contains, type Period } from "../period.js";

export type CalendarUnit = "day" | "week" | "month";

/**
 * The day, week (from Monday) or month of a time zone's calendar that contains `atMs`. Each begins at the first instant whose
 * local date is not before it: after 00:00 where the clock skips midnight, and where midnight comes twice at the first of both.
 * So every instant is in exactly one, also where local time goes back to the day before. A day that a zone skipped is empty,
 * and never the answer. `timeZone`: a name that `hasClockOf` accepts; the rules are those of this process's ICU.
 */
export function calendarPeriodAt(unit: CalendarUnit, atMs: number, timeZone: string): Period {
  if (timeZone === "UTC") return { start: localStart(unit, atMs, 0), end: localStart(unit, atMs, 1) };
  const { recent } = calendarOf(timeZone);
  const known = recent[unit].find((period) => contains(period, atMs));
  if (known !== undefined) return known;
  const found = findPeriod(unit, atMs, timeZone);
  recent[unit].unshift(found);
  recent[unit].length = Math.min(recent[unit].length, MOST_RECENT);
  return found;
}

/**
 * Whether a tenant may have this time zone: `UTC`, `Etc/UTC`, `Etc/GMT+5` and the like, or a zone's area and place exactly as the
 * IANA database writes them. Abbreviations are refused: ICU takes BST for Dhaka. So are old links (`US/Pacific`), except where
 * versions of Node disagree which of two names is the zone's own.
 */
export function isTimeZone(name: string): boolean {
  if (!ZONES.has(name) && !ETC.test(name) && !supported().has(name)) return false;
  return (name === "UTC" || name.includes("/")) && hasClockOf(name);
}

/** Whether this process can compute the calendar of a zone; another version of Node may have more zones. */
export function hasClockOf(name: string): boolean {
  if (!isZoneName(name)) return false;
  try {
    calendarOf(name);
    return true;
  } catch {
    return false;
  }
}

/** Whether it has the form of a zone's name. */
export const isZoneName = (name: string): boolean => NAME.test(name);

const NAME = /^[A-Z][A-Za-z0-9_+-]{0,31}(?:\/[A-Z][A-Za-z0-9_+-]{0,31}){0,2}$/;
const ETC = /^Etc\/GMT[+-][1-9]\d?$/;

/** The names by which `Intl.supportedValuesOf` lists zones in some versions of Node, and those of the database today. */
export const RENAMED: readonly (readonly [old: string, today: string])[] = [
  ["Africa/Asmera", "Africa/Asmara"],
  ["America/Buenos_Aires", "America/Argentina/Buenos_Aires"],
  ["America/Catamarca", "America/Argentina/Catamarca"],
  ["America/Coral_Harbour", "America/Atikokan"],
  ["America/Cordoba", "America/Argentina/Cordoba"],
  ["America/Godthab", "America/Nuuk"],
  ["America/Indianapolis", "America/Indiana/Indianapolis"],
  ["America/Jujuy", "America/Argentina/Jujuy"],
  ["America/Louisville", "America/Kentucky/Louisville"],
  ["America/Mendoza", "America/Argentina/Mendoza"],
  ["Asia/Calcutta", "Asia/Kolkata"],
  ["Asia/Katmandu", "Asia/Kathmandu"],
  ["Asia/Rangoon", "Asia/Yangon"],
  ["Asia/Saigon", "Asia/Ho_Chi_Minh"],
  ["Atlantic/Faeroe", "Atlantic/Faroe"],
  ["Europe/Kiev", "Europe/Kyiv"],
  ["Pacific/Enderbury", "Pacific/Kanton"],
  ["Pacific/Ponape", "Pacific/Pohnpei"],
  ["Pacific/Truk", "Pacific/Chuuk"],
];
const ZONES: ReadonlySet<string> = new Set(["UTC", "Etc/UTC", ...RENAMED.flat()]);
let listed: ReadonlySet<string> | undefined;
function supported(): ReadonlySet<string> {
  listed ??= new Set(Intl.supportedValuesOf("timeZone"));
  return listed;
}

interface Calendar {
  readonly clock: Intl.DateTimeFormat;
  /** Newest first: requests and usage are mostly in the last ones. */
  readonly recent: Readonly<Record<CalendarUnit, Period[]>>;
}

/** More zones than the database has. */
const MOST_ZONES = 1_000;
const MOST_RECENT = 64;
const calendars = new Map<string, Calendar>();

function calendarOf(timeZone: string): Calendar {
  const known = calendars.get(timeZone);
  if (known !== undefined) return known;
  if (calendars.size >= MOST_ZONES) calendars.clear();
  const clock = new Intl.DateTimeFormat("en-US", {
    ...{ timeZone, calendar: "gregory", numberingSystem: "latn", hourCycle: "h23" },
    ...{ year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" },
  });
  const made = { clock, recent: { day: [], week: [], month: [] } };
  calendars.set(timeZone, made);
  return made;
}

/** What the zone's clock shows at an instant, as if it were UTC. */
function localTime(atMs: number, timeZone: string): number {
  const shown = /(\d+)\/(\d+)\/(\d+), (\d+):(\d+):(\d+)/.exec(calendarOf(timeZone).clock.format(atMs));
  const [month = 0, day = 0, year = 0, hour = 0, minute = 0, second = 0] = (shown ?? []).slice(1).map(Number);
  return Date.UTC(year, month - 1, day, hour, minute, second) + (((atMs % 1000) + 1000) % 1000);
}

const offset = (atMs: number, timeZone: string): number => localTime(atMs, timeZone) - atMs;

function findPeriod(unit: CalendarUnit, atMs: number, timeZone: string): Period {
  let local = localStart(unit, localTime(atMs, timeZone), 0);
  let start = firstInstantOf(local, timeZone);
  for (;;) {
    const next = localStart(unit, local, 1);
    const end = firstInstantOf(next, timeZone);
    if (end > atMs) return { start, end };
    // The clock went back across midnight, or a day was skipped.
    [local, start] = [next, end];
  }
}

/** Midnight at the start of the unit that contains a local time, or of one that follows it. */
function localStart(unit: CalendarUnit, local: number, following: 0 | 1): number {
  const day = Math.floor(local / DAY_MS);
  if (unit === "day") return (day + following) * DAY_MS;
  // 1 January 1970 was a Thursday.
  if (unit === "week") return (day - ((((day + 3) % 7) + 7) % 7) + 7 * following) * DAY_MS;
  const date = new Date(local);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + following, 1);
}

/** The first instant at which a zone's clock shows `local` or later; no zone has changed its clock twice within two days. */
function firstInstantOf(local: number, timeZone: string): number {
  const offsets = [offset(local - DAY_MS, timeZone), offset(local + DAY_MS, timeZone)];
  // Before this, neither offset has reached it; at `latest`, both have.
  const earliest = local - Math.max(...offsets);
  const latest = local - Math.min(...offsets);
  const hasReached = (atMs: number): boolean => localTime(atMs, timeZone) >= local;
  if (hasReached(earliest)) return earliest;
  if (!hasReached(latest - 1)) return latest;
  let [before, after] = [earliest, latest - 1];
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (hasReached(middle)) after = middle;
    else before = middle;
  }
  return after;
}
