import { periodAt } from "#kernel/period.js";
import type { Transaction } from "#platform/database/database.js";
import { enqueueOutbox, type OutboxRow } from "#platform/outbox/outbox.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import { usageUnmeteredV1 } from "#schema/events/usage-unmetered.v1.js";
import { usageUnpricedV1 } from "#schema/events/usage-unpriced.v1.js";
import { assignedPlan, firstPeriodStart, planVersionOf } from "#schema/tenancy-history.js";
import { eventRow } from "./events.js";
import type { PricedPeriodAt, Unbilled } from "./rules/unbilled.js";
import { firstSeen } from "./store/unbilled.js";

/** Tells operators of unbilled usage, each once: the events are in the outbox if and only if this transaction commits. */
export async function tellUnbilled(
  tx: Transaction,
  partition: number,
  unbilled: readonly Unbilled[],
  nowMs: number,
): Promise<void> {
  const first = await firstSeen(tx, unbilled);
  await enqueueOutbox(
    tx,
    first.map((one) => rowOf(one, partition, nowMs)),
  );
}

function rowOf(one: Unbilled, partition: number, nowMs: number): OutboxRow {
  const { tenantId } = one;
  const [at, common] = [new Date(nowMs).toISOString(), { partition, tenantId, atMs: nowMs }];
  if (one.kind === "unmetered") {
    const { eventType } = one;
    const id = `usage-unmetered:${tenantId}:${eventType}`;
    return eventRow(usageUnmeteredV1, { ...common, id, data: { tenantId, eventType, at } });
  }
  const { meter, reason, dimensions, plan, period } = one;
  const [periodStart, periodEnd] = [new Date(period.start).toISOString(), new Date(period.end).toISOString()];
  const ofPlan = { planId: plan.id, planVersion: plan.version };
  return eventRow(usageUnpricedV1, {
    ...common,
    id: `usage-unpriced:${tenantId}:${meter}:${periodStart.slice(0, 10)}`,
    data: { tenantId, meter, periodStart, periodEnd, ...ofPlan, reason, dimensions, at },
  });
}

/** Periods and plans as the copy of tenancy knows them now; a close reads them again as known at the period's end. */
export const pricedPeriods =
  (tenancy: TenancyCopy): PricedPeriodAt =>
  (tenantId, at) => {
    const tenant = tenancy.tenant(tenantId);
    if (tenant === undefined) return undefined;
    const period = periodAt(at, tenant.billingAnchorDay);
    if (period.start < firstPeriodStart(tenant)) return undefined;
    const plan = assignedPlan(tenant, period.start, tenancy.version());
    const terms = plan && planVersionOf(tenancy.plan(plan.planId), plan.planVersion);
    if (plan === undefined || terms === undefined) return undefined;
    return { period, plan: { ref: { id: plan.planId, version: plan.planVersion }, terms } };
  };
