import { DAY_MS } from "#kernel/duration.js";
import { MetrlyError } from "#kernel/errors.js";
import { isClientId } from "#kernel/ids.js";
import { isTimeZone } from "#kernel/time-zones/calendar.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import { hasEnded } from "#schema/vocabulary.js";
import { nameReasons, type Reason } from "./reasons.js";

export const MAX_GRACE_DAYS = 28;
/** How far back events are accepted: an earlier start would create periods that cannot receive usage. */
export const MAX_START_BACK_MS = 35 * DAY_MS;
const MAX_START_AHEAD_MS = 366 * DAY_MS;
const EARLIEST_TEST_CLOCK = Date.UTC(2000, 0, 1);
const LATEST_TEST_CLOCK = Date.UTC(2100, 0, 1);

export interface TenantTerms {
  /** Undefined: generated. */
  readonly id: string | undefined;
  readonly name: string;
  /** Undefined: now. */
  readonly startsAt: number | undefined;
  readonly billingAnchorDay: number;
  readonly graceDays: number;
  readonly testClock: number | null;
  /** Undefined: UTC. */
  readonly timeZone?: string | undefined;
}

/** All errors of a new tenant; empty: valid. `now` is the system's; a test tenant has its own. */
export function validateTenant(terms: TenantTerms, now: number): Reason[] {
  return [
    ...clientIdReasons(terms.id),
    ...nameReasons("name", terms.name),
    ...rangeReasons("billingAnchorDay", terms.billingAnchorDay, 1, 28),
    ...graceReasons(terms.graceDays),
    ...testClockReasons(terms.testClock),
    ...timeZoneReasons(terms.timeZone),
    ...startReasons(terms.startsAt, terms.testClock ?? now),
  ];
}

/** Why a test tenant's clock cannot be moved to `to`: it only goes forward. */
export function advanceReasons(testClock: number | null, to: number): Reason[] {
  if (testClock === null) return [{ path: "tenantId", detail: "the tenant has no test clock" }];
  if (to < testClock) return [{ path: "to", detail: `the clock only moves forward and is at ${timeText(testClock)}` }];
  return testClockReasons(to).map(({ detail }) => ({ path: "to", detail }));
}

const timeText = (ms: number): string => new Date(ms).toISOString();

/** An `id` chosen by the client; undefined: none. */
export function clientIdReasons(id: string | undefined): Reason[] {
  if (id === undefined || isClientId(id)) return [];
  return [{ path: "id", detail: "must be 1 to 64 letters, digits, _, - or ., starting with a letter or digit" }];
}

export function graceReasons(graceDays: number): Reason[] {
  return rangeReasons("graceDays", graceDays, 0, MAX_GRACE_DAYS);
}

function rangeReasons(path: string, value: number, min: number, max: number): Reason[] {
  if (Number.isInteger(value) && value >= min && value <= max) return [];
  return [{ path, detail: `must be a whole number from ${min} to ${max}` }];
}

function testClockReasons(testClock: number | null): Reason[] {
  if (testClock === null || (testClock >= EARLIEST_TEST_CLOCK && testClock < LATEST_TEST_CLOCK)) return [];
  return [{ path: "testClock", detail: "must lie in the years 2000 to 2099" }];
}

function timeZoneReasons(timeZone: string | undefined): Reason[] {
  if (timeZone === undefined || isTimeZone(timeZone)) return [];
  return [
    {
      path: "timeZone",
      detail: "must be UTC or an area and place of the IANA time zone database as written there, e.g. Europe/Berlin",
    },
  ];
}

function startReasons(startsAt: number | undefined, now: number): Reason[] {
  if (startsAt === undefined) return [];
  if (startsAt < now - MAX_START_BACK_MS) return [{ path: "startsAt", detail: "must be at most 35 days back" }];
  if (startsAt > now + MAX_START_AHEAD_MS) return [{ path: "startsAt", detail: "must be at most 366 days ahead" }];
  return [];
}

const TRANSITIONS = {
  suspend: { from: ["ACTIVE"], to: "SUSPENDED" },
  resume: { from: ["SUSPENDED"], to: "ACTIVE" },
  close: { from: ["ACTIVE", "SUSPENDED"], to: "CLOSED" },
} as const satisfies Readonly<Record<string, { from: readonly TenantState["status"][]; to: TenantState["status"] }>>;
export type Transition = keyof typeof TRANSITIONS;

/** The status after a transition. Throws CONFLICT for an invalid one; CLOSED is final. */
export function statusAfter(status: TenantState["status"], transition: Transition): TenantState["status"] {
  const { from, to } = TRANSITIONS[transition];
  if (from.some((candidate) => candidate === status)) return to;
  throw new MetrlyError("CONFLICT", `A tenant that is ${status} can't be changed to ${to}`);
}

/** Throws CONFLICT for a closed tenant, which is immutable. */
export function assertOpen(tenant: TenantState): void {
  if (hasEnded(tenant.status)) throw new MetrlyError("CONFLICT", "The tenant is CLOSED and can no longer be changed");
}
