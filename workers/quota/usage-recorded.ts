import { type Decimal, ZERO } from "#kernel/decimal.js";
import type { Transaction } from "#platform/database/database.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { type BackfilledBatch, type BackfillOptions, backfilledIn } from "./backfill.js";
import { CountersUnavailable, type QuotaCounters } from "./counters/counters.js";
import type { TenantLimits } from "./gate/tenant-limits.js";
import type { LimitInForce, LimitsInForce } from "./rules/limits.js";
import { alertOf, crossings, type QuotaAlert } from "./rules/thresholds.js";
import { type GrainBucket, grainsOf, usageReadings } from "./rules/usage.js";
import type { TenantUsage, UsageReading } from "./rules/usage-reading.js";
import type { Grain } from "./rules/windows.js";
import { settleRequests } from "./settlement.js";

export interface UsageRecordedOptions extends BackfillOptions {
  readonly counters: QuotaCounters;
  readonly limits: TenantLimits;
  /** A tenant whose counters missed a settlement. */
  onBehind(tenantId: string): void;
  onAlerts(): void;
}

/** Concurrent settlements of tenants in the counters. */
const SETTLED_AT_ONCE = 128;

/**
 * The effect of recorded usage: exact totals and the alerts they trigger, in the transaction that moves the mark; then the
 * counters are settled. After a crash in between the counters lag the tenant's position, which triggers their repair.
 */
export function createUsageRecorded(options: UsageRecordedOptions) {
  const { store, counters, tenancy, limits } = options;

  return async function apply(
    tx: Transaction,
    partition: number,
    entries: readonly LedgerEntry[],
  ): Promise<(() => Promise<void>) | undefined> {
    const byTenant = readUsage(entries, tenancy, await backfilledIn(tx, options, partition, entries));
    if (byTenant.size === 0) return undefined;
    const seqs = new Map([...byTenant].map(([id, usage]) => [id, usage.seq]));
    const previous = await store.movePositions(tx, partition, seqs);
    const usages = [...byTenant].map(([id, usage]) => ({ ...usage, previousSeq: previous.get(id) ?? 0 }));
    const totals = totalsOf(usages, limits);
    const after = await store.addUsage(tx, totals.deltas());
    totals.startFrom(after);
    const alerts = usages.flatMap((usage) => alertsOf(usage, totals, limits));
    const emitted = await store.emitAlerts(tx, alerts);
    return async () => {
      for (let at = 0; at < usages.length; at += SETTLED_AT_ONCE) {
        await Promise.all(usages.slice(at, at + SETTLED_AT_ONCE).map((usage) => settle(usage, totals)));
      }
      if (emitted > 0) options.onAlerts();
    };
  };

  async function settle(usage: TenantUsage, totals: Totals): Promise<void> {
    const current = limits.current(usage.tenant.id);
    try {
      for (const request of settleRequests(usage, current?.inForce, (meter, start) =>
        totals.period(usage.tenant.id, meter, start),
      )) {
        const outcome = await counters.settle(request);
        if (outcome === "behind") options.onBehind(usage.tenant.id);
        if (outcome !== "applied") return;
      }
    } catch (error) {
      if (!(error instanceof CountersUnavailable)) throw error;
      options.onBehind(usage.tenant.id);
    }
  }
}

function readUsage(entries: readonly LedgerEntry[], tenancy: TenancyCopy, { known, added }: BackfilledBatch) {
  const byTenant = new Map<string, { tenant: TenantState; readings: UsageReading[]; seq: number }>();
  function add(tenant: TenantState, readings: readonly UsageReading[], seq: number): void {
    if (readings.length === 0) return;
    const usage = byTenant.get(tenant.id) ?? { tenant, readings: [], seq: 0 };
    usage.readings.push(...readings);
    usage.seq = seq;
    byTenant.set(tenant.id, usage);
  }
  for (const entry of entries) {
    switch (entry.kind) {
      case "event":
      case "void": {
        const tenant = tenancy.tenant(entry.tenantId);
        if (tenant !== undefined) add(tenant, usageReadings(entry, tenancy.metersOfType, tenant, known), entry.seq);
        break;
      }
      case "backfill":
        for (const [tenantId, readings] of added.get(entry.seq) ?? []) {
          const tenant = tenancy.tenant(tenantId);
          if (tenant !== undefined) add(tenant, readings, entry.seq);
        }
        break;
      case "tick":
      case "close":
        break;
      default:
        entry satisfies never;
    }
  }
  return byTenant;
}

type Totals = ReturnType<typeof totalsOf>;

interface RunningTotal extends GrainBucket {
  readonly tenantId: string;
  readonly meter: string;
  delta: Decimal;
  /** During alert evaluation: the total up to the current reading. */
  running: Decimal;
  after: Decimal;
}

interface Step {
  readonly windowStart: number;
  readonly before: Decimal;
  readonly after: Decimal;
}

/** The batch's sums, one per database row. */
function totalsOf(usages: readonly TenantUsage[], limits: TenantLimits) {
  const rows: RunningTotal[] = [];
  // Nested instead of one composite key: building and hashing such a text for each grain of each event dominated the cost.
  const byMeter = new Map<string, Map<string, Map<Grain, Map<number, RunningTotal>>>>();
  const rowsOf = new Map<UsageReading, RunningTotal[]>();
  function rowOf(tenantId: string, meter: string, bucket: GrainBucket): RunningTotal {
    const ofBucket = within(within(within(byMeter, tenantId), meter), bucket.grain);
    const known = ofBucket.get(bucket.bucketStart);
    if (known !== undefined) return known;
    const row = { ...bucket, tenantId, meter, delta: ZERO, running: ZERO, after: ZERO };
    ofBucket.set(bucket.bucketStart, row);
    rows.push(row);
    return row;
  }
  for (const { tenant, readings } of usages) {
    for (const reading of readings) {
      const { meter } = reading;
      const arrival = limits.at(tenant, reading.arrivedAt, reading.tenancyVersion);
      const own = grainsOf(reading, tenant.billingAnchorDay, arrival).map((bucket) => {
        const row = rowOf(tenant.id, meter, bucket);
        row.delta = row.delta.plus(reading.value);
        return row;
      });
      rowsOf.set(reading, own);
    }
  }
  return {
    deltas: () => rows,
    /** `after`: the totals with this batch, in the order of `deltas`. */
    startFrom(after: readonly Decimal[]): void {
      for (const [index, row] of rows.entries()) {
        row.after = after[index] ?? ZERO;
        row.running = row.after.minus(row.delta);
      }
    },
    /** Adds one reading; returns its totals before and after. */
    advance(reading: UsageReading): ReadonlyMap<Grain, Step> {
      const steps = (rowsOf.get(reading) ?? []).map((row): [Grain, Step] => {
        const before = row.running;
        row.running = before.plus(reading.value);
        return [row.grain, { windowStart: row.bucketStart, before, after: row.running }];
      });
      return new Map(steps);
    },
    period: (tenantId: string, meter: string, start: number) =>
      byMeter.get(tenantId)?.get(meter)?.get("BILLING_PERIOD")?.get(start)?.after,
  };
}

/** The nested map of a key, created on demand. */
function within<K, Inner, V>(outer: Map<K, Map<Inner, V>>, key: K): Map<Inner, V> {
  const known = outer.get(key);
  if (known !== undefined) return known;
  const made = new Map<Inner, V>();
  outer.set(key, made);
  return made;
}

/** Evaluates every reading in order, so that alerts do not depend on batch boundaries. */
function alertsOf({ tenant, readings }: TenantUsage, totals: Totals, limits: TenantLimits): readonly QuotaAlert[] {
  return readings.flatMap((reading) => {
    const steps = totals.advance(reading);
    const ofPeriod = limits.at(tenant, reading.time, reading.tenancyVersion);
    const ofArrival = limits.at(tenant, reading.arrivedAt, reading.tenancyVersion);
    const judge = (inForce: LimitsInForce | undefined, ofPeriods: boolean) =>
      (inForce?.limits ?? [])
        .filter(({ meter, window }) => meter === reading.meter && (window === "BILLING_PERIOD") === ofPeriods)
        .flatMap((limit) => alertsOfStep(tenant.id, inForce, limit, steps.get(limit.window), reading));
    return [...judge(ofPeriod, true), ...judge(ofArrival, false)];
  });
}

function alertsOfStep(
  tenantId: string,
  inForce: LimitsInForce | undefined,
  limit: LimitInForce,
  step: Step | undefined,
  reading: UsageReading,
): readonly QuotaAlert[] {
  if (step === undefined || inForce === undefined) return [];
  const { planId, planVersion } = inForce;
  const { windowStart, before, after } = step;
  const facts = { tenantId, planId, planVersion, limit, windowStart, used: after, at: reading.recordedAt };
  return crossings(limit, before, after).map((crossing) => alertOf(facts, crossing));
}
