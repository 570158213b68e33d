import type { Transaction } from "#platform/database/database.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { type BackfilledBatch, type BackfillOptions, backfilledIn, type PreparedBackfill } from "./backfill.js";
import { CountersUnavailable, type QuotaCounters, type RecordedCombinations } from "./counters/counters.js";
import type { TenantLimits } from "./gate/tenant-limits.js";
import { type BatchTotals, type CountedUsage, createBatchTotals } from "./rules/batch-totals.js";
import { isOnMeter } from "./rules/limits.js";
import { createMergedReadings, type IsUnlimited, type MergedReadings } from "./rules/merged-readings.js";
import { seriesOf } from "./rules/scopes.js";
import { usageReadings } from "./rules/usage.js";
import type { TenantUsage, UsageReading } from "./rules/usage-reading.js";
import { isJudged, periodOf } from "./rules/windows.js";
import { changedTotals, settleRequests } from "./settlement.js";
import type { AddedCombinations, UsedCombination } from "./store/combinations.js";
import { candidatesOf, createUsageAlerts, type UsageCandidate } from "./usage-alerts.js";

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
  const alerts = createUsageAlerts(store);

  return async function apply(
    tx: Transaction,
    partition: number,
    entries: readonly LedgerEntry[],
    prepared: PreparedBackfill | undefined,
  ): Promise<(() => Promise<void>) | undefined> {
    const backfilled = await backfilledIn(tx, options, partition, entries, prepared);
    const byTenant = readUsage(entries, tenancy, limits, backfilled);
    if (byTenant.size === 0) return undefined;
    const seqs = new Map([...byTenant].map(([id, usage]) => [id, usage.seq]));
    const previous = await store.movePositions(tx, partition, seqs);
    const usages = [...byTenant].map(([id, usage]) => ({
      ...usage,
      previousSeq: previous.get(id) ?? 0,
    }));
    const totals = createBatchTotals(usages, limits);
    const after = await store.addUsage(tx, totals.deltas());
    const used = new Map(usages.map((usage) => [usage, combinationsOf(usage)]));
    const combinations = await store.addCombinations(tx, [...used.values()].flat());
    const others = await store.totalsOf(tx, totals.watched());
    totals.startFrom(after, await store.sumsOfDays(tx, totals.summed()), others);
    const claimedMeters = totals.claimedMeters();
    if (claimedMeters.length > 0) totals.addUnplanned(await store.unplannedTotals(tx, claimedMeters));
    const told = await alerts.emit(
      tx,
      usages.flatMap((usage) => judge(usage, totals, limits)),
    );
    return async () => {
      told.committed();
      combinations.committed();
      const failures: unknown[] = [];
      for (let at = 0; at < usages.length; at += SETTLED_AT_ONCE) {
        const some = usages.slice(at, at + SETTLED_AT_ONCE);
        await Promise.all(
          some.map((usage) => {
            const recorded = recordedOf(used.get(usage) ?? [], combinations);
            return settle(usage, totals, recorded).catch((error: unknown) => failures.push(error));
          }),
        );
      }
      if (told.emitted > 0) options.onAlerts();
      if (failures.length > 0) throw failures[0];
    };
  };

  async function settle(
    usage: CountedUsage,
    totals: BatchTotals,
    recorded: readonly RecordedCombinations[],
  ): Promise<void> {
    const { tenant, counted } = usage;
    const changed = changedTotals(usage, counted, (series, window, start) =>
      totals.period(tenant.id, series, window, start),
    );
    try {
      for (const request of settleRequests(usage, counted, changed, recorded)) {
        const outcome = await counters.settle(request);
        if (outcome === "behind") options.onBehind(usage.tenant.id);
        if (outcome !== "applied") return;
      }
    } catch (error) {
      options.onBehind(usage.tenant.id);
      if (!(error instanceof CountersUnavailable)) throw error;
    }
  }
}

/** What a batch's entries of one tenant come to. */
interface Gathered extends Omit<CountedUsage, "previousSeq"> {
  readonly readings: UsageReading[];
  readonly merged: MergedReadings;
  seq: number;
}

function readUsage(
  entries: readonly LedgerEntry[],
  tenancy: TenancyCopy,
  limits: TenantLimits,
  { known, added }: BackfilledBatch,
): ReadonlyMap<string, Gathered> {
  const byTenant = new Map<string, Gathered>();
  function gatheredOf(tenant: TenantState): Gathered {
    const before = byTenant.get(tenant.id);
    if (before !== undefined) return before;
    // Once for all of the batch: a counter that is counted later than its total was summed would miss it.
    const counted = limits.current(tenant.id)?.counted ?? [];
    const meters = new Set(counted.map(({ meter }) => meter));
    const scopesAt = limits.scopesOf(tenant);
    const isUnlimited: IsUnlimited = ({ id: meter, dimensions }, atMs, version) => {
      const scopes = scopesAt(atMs, version);
      const isScoped = scopes === "no plan" ? dimensions.length > 0 : scopes.some((scope) => scope.meter === meter);
      const inForce = limits.at(tenant, atMs, version)?.limits ?? [];
      return !isScoped && !meters.has(meter) && !inForce.some((limit) => isOnMeter(limit, meter));
    };
    const merged = createMergedReadings(tenant, tenancy.metersOfType, isUnlimited);
    const gathered = { tenant, counted, merged, readings: [], seq: 0 };
    byTenant.set(tenant.id, gathered);
    return gathered;
  }
  function add(tenant: TenantState, readings: readonly UsageReading[], seq: number): void {
    if (readings.length === 0) return;
    const usage = gatheredOf(tenant);
    usage.readings.push(...usage.merged.finish(), ...readings);
    usage.seq = seq;
  }
  function addEntry(tenant: TenantState, entry: LedgerEntry): void {
    if (entry.kind === "event" && !entry.imported) {
      const usage = gatheredOf(tenant);
      const taken = usage.merged.take(entry);
      if (taken === "added") usage.seq = entry.seq;
      if (taken !== "limited") return;
    }
    const reading = { scopesAt: limits.scopesOf(tenant), backfills: known };
    add(tenant, usageReadings(entry, tenancy.metersOfType, tenant, reading), entry.seq);
  }
  for (const entry of entries) {
    switch (entry.kind) {
      case "event":
      case "void": {
        const tenant = tenancy.tenant(entry.tenantId);
        if (tenant !== undefined) addEntry(tenant, entry);
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
      case "creditGrant":
      case "creditVoid":
        break;
      default:
        entry satisfies never;
    }
  }
  for (const [tenantId, usage] of byTenant) {
    usage.readings.push(...usage.merged.finish());
    if (usage.readings.length === 0) byTenant.delete(tenantId);
  }
  return byTenant;
}

/** The combinations of limits with `by` that usage is of, in the billing periods that are judged. */
function combinationsOf({ tenant, readings }: CountedUsage): readonly UsedCombination[] {
  return readings.flatMap(({ meter, time, arrivedAt, backfilled, scoped = [] }) => {
    if (backfilled?.period === false) return [];
    const named = scoped.filter(({ combination }) => combination !== "");
    if (named.length === 0) return [];
    const period = periodOf("BILLING_PERIOD", time, tenant);
    if (!isJudged(period, arrivedAt)) return [];
    return named.map(({ counted, combination, values }) => ({
      ...{ tenantId: tenant.id, scope: seriesOf(meter, counted.scope), periodStart: period.start },
      ...{ combination, values },
    }));
  });
}

/** The same for the counters, by scope and period. */
function recordedOf(
  used: readonly UsedCombination[],
  { countOf }: Pick<AddedCombinations, "countOf">,
): readonly RecordedCombinations[] {
  const found = new Map<string, Omit<RecordedCombinations, "series"> & { readonly series: Set<string> }>();
  for (const { tenantId, scope: key, periodStart: period, combination } of used) {
    const id = `${key} ${period}`;
    const recorded = countOf({ tenantId, scope: key, periodStart: period });
    const one = found.get(id) ?? { key, period, recorded, series: new Set<string>() };
    found.set(id, one);
    one.series.add(`${key}|${combination}`);
  }
  return [...found.values()].map((one) => ({ ...one, series: [...one.series] }));
}

/** Evaluates every reading in order, so that alerts do not depend on batch boundaries. */
function judge(
  { tenant, readings }: TenantUsage,
  totals: BatchTotals,
  limits: TenantLimits,
): readonly UsageCandidate[] {
  return readings.flatMap((reading) => {
    const steps = totals.advance(reading);
    return candidatesOf(tenant, limits.at(tenant, reading.time, reading.tenancyVersion), reading, steps);
  });
}
