import { DAY_MS } from "#kernel/duration.js";
import { MetrlyError } from "#kernel/errors.js";
import type { QuotaLimitState, QuotaOverrideState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import { isInMoney, limitKey, scopeText } from "#schema/limit-scope.js";
import { tenantNow } from "#schema/tenancy-history.js";
import { amountReasons } from "./amount.js";
import { NO_NARROWING_IN_MONEY } from "./quota-limit.js";
import { type Reason, textReasons } from "./reasons.js";

export type OverrideTerms = Omit<QuotaOverrideState, "inVersion">;

/** Events arrive up to 35 days late: an override that ended earlier affects none of them. */
const KEEP_ENDED_MS = 40 * DAY_MS;
/** Every override is part of the tenant's state, which every change publishes in full. */
export const MAX_OVERRIDES = 200;

/** All errors of an override. `planLimits`: those of the tenant's current plan. */
export function overrideReasons(
  terms: OverrideTerms,
  tenant: TenantState,
  planLimits: readonly QuotaLimitState[],
  now: number,
): Reason[] {
  const reasons = [...amountReasons("limit", terms.limit), ...textReasons("reason", terms.reason)];
  if (isInMoney(terms) && terms.meter !== null) reasons.push({ path: "meter", detail: NO_NARROWING_IN_MONEY });
  if (terms.until <= tenantNow(tenant, now)) reasons.push({ path: "until", detail: "must be in the future" });
  if (!planLimits.some((limit) => limitKey(limit) === limitKey(terms))) {
    const what = isInMoney(terms) ? "money" : terms.meter === null ? "requests" : `"${terms.meter}"`;
    const scoped = scopeText(terms) === "" ? "" : " with these `by` and `where`";
    reasons.push({ path: "meter", detail: `the tenant's plan has no limit on ${what} per ${terms.window}${scoped}` });
  }
  return reasons;
}

/** The history with one more override. Throws CONFLICT when there are too many. */
export function withOverride(
  tenant: TenantState,
  terms: OverrideTerms,
  now: number,
  inVersion: number,
): QuotaOverrideState[] {
  const oldest = tenantNow(tenant, now) - KEEP_ENDED_MS;
  const kept = (tenant.quotaOverrides ?? []).filter((override) => override.until >= oldest);
  if (kept.length >= MAX_OVERRIDES)
    throw new MetrlyError("CONFLICT", `A tenant has at most ${MAX_OVERRIDES} quota overrides in 40 days`);
  return [...kept, { ...terms, inVersion }];
}
