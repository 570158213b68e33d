import { type Decimal, ZERO } from "#kernel/decimal.js";
import type { Transaction } from "#platform/database/database.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { isPeriodWindow, type PeriodWindow } from "#schema/vocabulary.js";
import { type BackfilledBatch, type BackfillOptions, backfilledIn, type PreparedBackfill } from "./backfill.js";
import { CountersUnavailable, type QuotaCounters, type RecordedCombinations } from "./counters/counters.js";
import type { TenantLimits } from "./gate/tenant-limits.js";
import type { CounterKey } from "./rules/limits.js";
import { createMergedReadings, type IsUnlimited, type MergedReadings } from "./rules/merged-readings.js";
import { type Scope, seriesOf } from "./rules/scopes.js";
import { type GrainBucket, grainsOf, scopedGrains, usageReadings } from "./rules/usage.js";
import type { TenantUsage, UsageReading } from "./rules/usage-reading.js";
import { type Grain, isJudged, isSummed, periodOf } from "./rules/windows.js";
import { changedTotals, settleRequests } from "./settlement.js";
import type { AddedCombinations, UsedCombination } from "./store/combinations.js";
import { candidatesOf, createUsageAlerts, stepOf, type UsageCandidate, type WindowStep } from "./usage-alerts.js";

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
    const totals = totalsOf(usages, limits);
    const after = await store.addUsage(tx, totals.deltas());
    totals.startFrom(after, await store.sumsOfDays(tx, totals.summed()));
    const used = new Map(usages.map((usage) => [usage, combinationsOf(usage)]));
    const combinations = await store.addCombinations(tx, [...used.values()].flat());
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

  async function settle(usage: CountedUsage, totals: Totals, recorded: readonly RecordedCombinations[]): Promise<void> {
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
    const isUnlimited: IsUnlimited = (meter, atMs, version) =>
      !meters.has(meter) &&
      !scopesAt(atMs, version).some((scope) => scope.meter === meter) &&
      limits.at(tenant, atMs, version)?.limits.some((limit) => limit.meter === meter) !== true;
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

interface CountedUsage extends TenantUsage {
  /** The counters that it is settled in. */
  readonly counted: readonly CounterKey[];
}

type Totals = ReturnType<typeof totalsOf>;

interface RunningTotal extends GrainBucket {
  readonly tenantId: string;
  /** Or the series of a scope of it. */
  readonly meter: string;
  /** Names the step of a reading in it. */
  readonly step: string;
  delta: Decimal;
  /** During alert evaluation: the total up to the current reading. */
  running: Decimal;
  after: Decimal;
}

interface SummedTotal extends RunningTotal {
  readonly end: number;
}

/** The batch's sums: one per database row, and one per limited window that is a sum of rows. */
function totalsOf(usages: readonly CountedUsage[], limits: TenantLimits) {
  const rows: RunningTotal[] = [];
  const summed: SummedTotal[] = [];
  // Nested instead of one composite key: building and hashing such a text for each grain of each event dominated the cost.
  const byMeter = new Map<string, Map<string, Map<Grain, Map<number, RunningTotal>>>>();
  const rowsOf = new Map<UsageReading, RunningTotal[]>();
  function rowOf(tenantId: string, meter: string, bucket: GrainBucket, of: RowOptions = {}): RunningTotal {
    const { end, scope } = of;
    const ofBucket = within(within(within(byMeter, tenantId), meter), bucket.grain);
    const known = ofBucket.get(bucket.bucketStart);
    if (known !== undefined) return known;
    const step = stepOf(bucket.grain, scope);
    const row = { ...bucket, tenantId, meter, step, delta: ZERO, running: ZERO, after: ZERO };
    ofBucket.set(bucket.bucketStart, row);
    if (end === undefined) rows.push(row);
    else summed.push(Object.assign(row, { end }));
    return row;
  }
  for (const usage of usages) {
    const { tenant, readings } = usage;
    const sums = sumsOf(usage, limits);
    for (const reading of readings) {
      const { meter } = reading;
      const inForce = limits.at(tenant, reading.time, reading.tenancyVersion);
      const own = grainsOf(reading, tenant, inForce).map((bucket) => rowOf(tenant.id, meter, bucket));
      if (own.some(({ grain }) => grain === "CALENDAR_DAY"))
        for (const window of sums.get(meter) ?? []) {
          const { start, end } = periodOf(window, reading.time, tenant);
          own.push(rowOf(tenant.id, meter, { grain: window, bucketStart: start }, { end }));
        }
      for (const { counted, series } of reading.scoped ?? []) {
        const { scope } = counted;
        const buckets = scopedGrains(reading, counted, tenant);
        own.push(...buckets.map((bucket) => rowOf(tenant.id, series, bucket, { scope })));
        if (!buckets.some(({ grain }) => grain === "CALENDAR_DAY")) continue;
        for (const window of sums.get(seriesOf(meter, scope)) ?? []) {
          const { start, end } = periodOf(window, reading.time, tenant);
          own.push(rowOf(tenant.id, series, { grain: window, bucketStart: start }, { end, scope }));
        }
      }
      for (const row of own) row.delta = row.delta.plus(reading.value);
      rowsOf.set(reading, own);
    }
  }
  return {
    deltas: () => rows,
    summed: () => summed,
    /** The totals with this batch, in the order of `deltas` and of `summed`. */
    startFrom(after: readonly Decimal[], sums: readonly Decimal[]): void {
      const begin = (row: RunningTotal, total: Decimal | undefined): void => {
        row.after = total ?? ZERO;
        row.running = row.after.minus(row.delta);
      };
      for (const [index, row] of rows.entries()) begin(row, after[index]);
      for (const [index, row] of summed.entries()) begin(row, sums[index]);
    },
    /** Adds one reading; returns its totals before and after. */
    advance(reading: UsageReading): ReadonlyMap<string, WindowStep> {
      const steps = (rowsOf.get(reading) ?? []).map((row): [string, WindowStep] => {
        const before = row.running;
        row.running = before.plus(reading.value);
        return [row.step, { windowStart: row.bucketStart, before, after: row.running }];
      });
      return new Map(steps);
    },
    period: (tenantId: string, meter: string, window: PeriodWindow, start: number) =>
      byMeter.get(tenantId)?.get(meter)?.get(window)?.get(start)?.after,
  };
}

interface RowOptions {
  /** Of a window that is a sum of others. */
  readonly end?: number;
  readonly scope?: Scope;
}

/** The combinations of limits with `by` that usage is of, in the billing periods that are judged. */
function combinationsOf({ tenant, readings }: CountedUsage): readonly UsedCombination[] {
  return readings.flatMap(({ meter, time, arrivedAt, scoped = [] }) => {
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

/** The windows, by meter or by scope, that are sums of others and that a limit of some reading or a counter is on. */
function sumsOf(
  { tenant, readings, counted }: CountedUsage,
  limits: TenantLimits,
): ReadonlyMap<string, ReadonlySet<PeriodWindow>> {
  const found = new Map<string, Set<PeriodWindow>>();
  const take = ({ meter, window, scope }: CounterKey): void => {
    if (meter === null || !isPeriodWindow(window) || !isSummed(window)) return;
    const series = seriesOf(meter, scope);
    found.set(series, (found.get(series) ?? new Set()).add(window));
  };
  counted.forEach(take);
  for (const { time, tenancyVersion } of readings)
    for (const { counter } of limits.at(tenant, time, tenancyVersion)?.limits ?? []) take(counter);
  return found;
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
function judge({ tenant, readings }: TenantUsage, totals: Totals, limits: TenantLimits): readonly UsageCandidate[] {
  return readings.flatMap((reading) => {
    const steps = totals.advance(reading);
    return candidatesOf(tenant, limits.at(tenant, reading.time, reading.tenancyVersion), reading, steps);
  });
}
