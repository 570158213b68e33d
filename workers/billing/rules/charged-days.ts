import { DAY_MS } from "#kernel/duration.js";
import type { Period } from "#kernel/period.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { Proration } from "#schema/vocabulary.js";

/** The days (UTC) of a period, and how many of them the recurring fee and the minimum commit are charged for. */
export interface ChargedDays {
  readonly total: number;
  readonly fee: number;
  readonly commit: number;
}

/** A period that is charged whole, however long. */
export const EVERY_DAY: ChargedDays = { total: 1, fee: 1, commit: 1 };

/**
 * Of a tenant as known at `version`. Neither is charged for a day that a suspension with `billing: PAUSE` covers whole. With DAILY
 * the fee is not charged for days before the tenant began or from its closing on, either; a day begun is charged.
 */
export function chargedDays(tenant: TenantState, period: Period, proration: Proration, version: number): ChargedDays {
  const days = Array.from({ length: Math.round((period.end - period.start) / DAY_MS) }, (_, n) => ({
    start: period.start + n * DAY_MS,
    end: period.start + (n + 1) * DAY_MS,
  }));
  const active = days.filter((day) => !isPaused(tenant, day, version));
  const present = proration === "NONE" ? active : active.filter((day) => isPresent(tenant, day, version));
  return { total: days.length, fee: present.length, commit: active.length };
}

function isPaused({ billingPauses = [] }: TenantState, day: Period, version: number): boolean {
  return billingPauses.some(({ from, until, inVersion, endedInVersion }) => {
    if (inVersion > version || from > day.start) return false;
    return until === null || endedInVersion === null || endedInVersion > version || until >= day.end;
  });
}

function isPresent({ beganAt = 0, closedInVersion, closedAt }: TenantState, day: Period, version: number): boolean {
  const isClosed = closedInVersion !== null && closedInVersion <= version;
  const end = isClosed && closedAt !== undefined && closedAt !== null ? closedAt : Number.POSITIVE_INFINITY;
  return beganAt < day.end && end > day.start;
}
