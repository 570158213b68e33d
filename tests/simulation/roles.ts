import { Decimal } from "#kernel/decimal.js";
import { partitionOf } from "#kernel/partition.js";
import { forRequests } from "#platform/database/database.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { ControlRecord } from "#schema/events/usage-received.v1.js";
import { USAGE_RECEIVED } from "#schema/topics.js";
import { startBillingCore } from "../../workers/billing/core.js";
import { createCreditControl } from "../../workers/billing/credits/control.js";
import { startIngestionCore } from "../../workers/ingestion/core.js";
import { eventDigest, fingerprintDigest } from "../../workers/ingestion/rules/fingerprint.js";
import { startNotificationCore } from "../../workers/notification/core.js";
import { parseAllowedHosts } from "../../workers/notification/delivery/ssrf.js";
import { createMetrics } from "../../workers/notification/metrics.js";
import { startQuotaCore } from "../../workers/quota/core.js";
import { reconcileTenant } from "../../workers/quota/reconciliation/reconcile-tenant.js";
import type { RoleContext, Serving } from "./ports/serving.js";
import { REASON } from "./terms/credits.js";
import type { QuotaAnswer } from "./terms/requests.js";
import { laneOf } from "./terms/terms.js";

const dataOf = (amount: number): string => JSON.stringify({ amount, lane: laneOf(amount) });

export async function startIngestionRole(context: RoleContext): Promise<Serving> {
  const { appender, partitionCount } = await startIngestionCore(context);
  return {
    /** As an operator's `voidEvent` does. */
    async withdraw({ tenantId, source, id }) {
      const why = { reason: "a mistake", actor: "operator", tenancyVersion: context.tenancy.version() };
      const control: ControlRecord = { kind: "void", tenantId, source, id, ...why };
      const partition = partitionOf(tenantId, partitionCount);
      await context.log.append(USAGE_RECEIVED, partition, [{ value: Buffer.from(JSON.stringify(control)) }]);
    },
    receive(events) {
      const receivedAt = context.clock.now();
      const items = events.map(({ tenantId, source, id, type, time, amount, isImport }) => {
        const data = dataOf(amount);
        const key = eventDigest(tenantId, source, id);
        const fingerprint = fingerprintDigest(tenantId, type, data);
        const item = { tenantId, source, id, type, time, receivedAt, data, key, fingerprint };
        return isImport ? { ...item, imported: true as const } : item;
      });
      return appender.append(items, items[0]?.tenantId ?? "", 1);
    },
  };
}

export async function startBillingRole(context: RoleContext): Promise<Serving> {
  const core = await startBillingCore(context);
  await core.begin();
  const { clock, log, tenancy } = context;
  const { partitions } = context.config;
  const database = forRequests(core.database);
  const control = createCreditControl({ database, log, tenancy, clock, partitions });
  async function tenantOf(id: string): Promise<TenantState> {
    const tenant = tenancy.tenant(id);
    if (tenant === undefined) throw new RangeError(`an unknown tenant: ${id}`);
    return tenant;
  }
  return {
    /** As an operator's `grantCredits` and `voidCredits` do. */
    async grant({ tenantId, id, cents, priority, expiresAt }) {
      const terms = { id, amount: String(cents / 100), priority, expiresAt, reason: REASON };
      await control.grant(await tenantOf(tenantId), terms, "treasurer");
    },
    async voidGrant(tenantId, id) {
      await control.void(await tenantOf(tenantId), id, "a mistake", "treasurer");
    },
  };
}

/** Names resolve nowhere here: receivers are reached by their URL. */
export async function startNotificationRole(context: RoleContext): Promise<Serving> {
  const database = await context.openDatabase("notification");
  const metrics = createMetrics(
    context.metrics,
    () => 0,
    async () => 0,
  );
  const policy = { allowLoopback: false, allowHosts: parseAllowedHosts([]), ownPorts: [] };
  const resolverOf = () => async () => [];
  const sending = { policy, resolverOf, mailer: undefined, post: context.post };
  await startNotificationCore(context, { database, metrics, sending, onStop: () => undefined });
  return {};
}

export async function startQuotaRole(context: RoleContext): Promise<Serving> {
  const core = await startQuotaCore(context, async () => context.counters);
  await core.begin();
  const { partitions } = context.config;
  return {
    async ask({ operation, tenantId, meter, amount, lane = laneOf(amount), key, ttlMs }): Promise<QuotaAnswer> {
      if (operation === "release") return { released: await core.gate.release(tenantId, key) };
      const usage = meter === null ? [] : [{ meter, amount: new Decimal(amount) }];
      const request = { tenantId, usage, dimensions: new Map([["lane", lane]]), idempotencyKey: key, ttlMs };
      const { allowed, reason, expiresAt } = await core.gate[operation](request);
      return { allowed, reason, expiresAt };
    },
    async reconcile(tenantId) {
      const differences: string[] = [];
      for await (const step of reconcileTenant(
        { ...core, ...context, database: core.database, counters: core.counters, partitions },
        tenantId,
        false,
      ))
        if (step.kind === "difference") differences.push(JSON.stringify(step.difference));
      return differences;
    },
  };
}
