export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Ten zones with both changes of their clock in 2026, and one without. */
export const ZONES: readonly (readonly [zone: string, forward: string, back: string])[] = [
  ["UTC", "2026-03-29T01:00Z", "2026-10-25T01:00Z"],
  ["Europe/Berlin", "2026-03-29T01:00Z", "2026-10-25T01:00Z"],
  ["America/New_York", "2026-03-08T07:00Z", "2026-11-01T06:00Z"],
  ["America/St_Johns", "2026-03-08T05:30Z", "2026-11-01T04:30Z"],
  // Midnight does not exist, or comes twice.
  ["America/Havana", "2026-03-08T05:00Z", "2026-11-01T05:00Z"],
  ["America/Santiago", "2026-09-06T04:00Z", "2026-04-05T03:00Z"],
  ["Africa/Cairo", "2026-04-23T22:00Z", "2026-10-29T21:00Z"],
  ["Asia/Beirut", "2026-03-28T22:00Z", "2026-10-24T21:00Z"],
  // By half an hour, by two hours, and from a zone of 12:45.
  ["Australia/Lord_Howe", "2026-10-03T15:30Z", "2026-04-04T15:00Z"],
  ["Antarctica/Troll", "2026-03-29T01:00Z", "2026-10-25T01:00Z"],
  ["Pacific/Chatham", "2026-09-26T14:00Z", "2026-04-04T14:00Z"],
];

const STEP = 15 * 60_000;
const spans = new Map<string, Span[]>();
const clocks = new Map<string, Intl.DateTimeFormat>();

/** The window of a zone's calendar that contains a moment: found by looking at the clock each quarter of an hour. */
export function calendarSpan(window: string, at: number, zone: string): Span {
  const id = `${zone} ${window}`;
  const known = spans.get(id) ?? [];
  spans.set(id, known);
  const before = known.find(({ start, end }) => start <= at && at < end);
  if (before !== undefined) return before;
  const name = nameOf(window, at, zone);
  let start = Math.floor(at / STEP) * STEP;
  while (nameOf(window, start - STEP, zone) === name) start -= STEP;
  let end = Math.floor(at / STEP) * STEP + STEP;
  while (nameOf(window, end, zone) === name) end += STEP;
  const found = { start, end };
  known.push(found);
  return found;
}

function nameOf(window: string, at: number, zone: string): string {
  const clock = clocks.get(zone) ?? new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short" });
  clocks.set(zone, clock);
  const date = clock.format(at);
  if (window === "CALENDAR_DAY") return date;
  if (window === "CALENDAR_MONTH") return date.slice(0, 7);
  const noon = new Date(`${date}T12:00:00Z`);
  while (noon.getUTCDay() !== 1) noon.setUTCDate(noon.getUTCDate() - 1);
  return noon.toISOString();
}
