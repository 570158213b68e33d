import { ZERO } from "#kernel/decimal.js";
import { nextPeriod, type Period, periodAt } from "#kernel/period.js";
import type { Transaction } from "#platform/database/database.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import { createCreditAccount, type Draw } from "#schema/rating/draw-down.js";
import { assignedPlan, planVersionOf } from "#schema/tenancy-history.js";
import { amountsAtNothing } from "../rules/rated-period.js";
import { openedUntilOf, readGrants } from "../store/credits.js";

export interface RunningPeriod {
  readonly tenantId: string;
  readonly period: Period;
  readonly tenancyVersion: number;
}

/**
 * What is due without usage in a period that has begun by the clock and not yet in the ledger: the next entry draws it. Nothing for a
 * tenant without grants.
 */
export async function drawsAtBeginning(
  tx: Transaction,
  tenancy: TenancyCopy,
  periods: readonly RunningPeriod[],
): Promise<Draw[][]> {
  const until = await openedUntilOf(
    tx,
    periods.map(({ tenantId }) => tenantId),
  );
  const beginning = periods.flatMap(({ tenantId, period }) => {
    const from = until.get(tenantId);
    return from === undefined || from > period.start ? [] : [{ tenantId, from }];
  });
  if (beginning.length === 0) return periods.map(() => []);
  const grants = await readGrants(tx, beginning, [], []);
  return periods.map(({ tenantId, period, tenancyVersion }) => {
    const tenant = tenancy.tenant(tenantId);
    const from = beginning.find((one) => one.tenantId === tenantId)?.from;
    if (tenant === undefined || from === undefined) return [];
    const account = createCreditAccount(grants.filter((grant) => grant.tenantId === tenantId));
    let draws: readonly Draw[] = [];
    let begins = periodAt(from, tenant.billingAnchorDay);
    for (; begins.start <= period.start; begins = nextPeriod(begins, tenant.billingAnchorDay)) {
      const plan = assignedPlan(tenant, begins.start, tenancyVersion);
      const terms = plan && planVersionOf(tenancy.plan(plan.planId), plan.planVersion);
      const due = terms === undefined ? ZERO : amountsAtNothing(terms).reduce((sum, one) => sum.plus(one), ZERO);
      draws = account.change({ uncovered: ZERO, held: [] }, due, begins.start);
    }
    return [...draws].sort((a, b) => (account.grant(a.grantId)?.seq ?? 0) - (account.grant(b.grantId)?.seq ?? 0));
  });
}
