import type { PlanVersionState, TenantState } from "#schema/events/tenancy-changed.v1.js";

/** How many days of a period there are, and of these, how many the fee and the commit are due for. */
export interface Days {
  readonly all: number;
  readonly fee: number;
  readonly commit: number;
}

const DAY = 86_400_000;

/** Walks a period's days as the tenant's history had them at a version. */
export function countDays(
  tenant: TenantState,
  plan: PlanVersionState,
  start: number,
  end: number,
  version: number,
): Days {
  const closing = (tenant.closedInVersion ?? Number.POSITIVE_INFINITY) > version ? null : (tenant.closedAt ?? null);
  const known = (tenant.billingPauses ?? []).filter((pause) => pause.inVersion <= version);
  const pauses = known.map(({ from, until, endedInVersion }) => {
    const lasts = until === null || endedInVersion === null || endedInVersion > version;
    return [from, lasts ? end : until] as const;
  });
  let [all, fee, commit] = [0, 0, 0];
  for (let day = start; day < end; day += DAY) {
    all += 1;
    if (pauses.some(([from, until]) => from <= day && day + DAY <= until)) continue;
    commit += 1;
    const begun = tenant.beganAt === undefined || tenant.beganAt < day + DAY;
    const left = closing !== null && closing <= day;
    if (plan.recurringFeeProration !== "DAILY" || (begun && !left)) fee += 1;
  }
  return { all, fee, commit };
}
