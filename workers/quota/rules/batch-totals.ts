import { type Decimal, sumDecimals, ZERO } from "#kernel/decimal.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import { MONEY } from "#schema/limit-scope.js";
import { isPeriodWindow, type PeriodWindow } from "#schema/vocabulary.js";
import { type CounterKey, claimsOf, type LimitsInForce } from "./limits.js";
import type { PricedLine, PricedUsage } from "./money.js";
import { type Scope, seriesOf, UNPLANNED } from "./scopes.js";
import { type GrainBucket, grainsOf, scopedGrains } from "./usage.js";
import {
  type ClaimedSeries,
  isClaimed,
  type TenantUsage,
  type UnplannedTotal,
  type UsageReading,
  unplannedOf,
} from "./usage-reading.js";
import { type Grain, isSummed, periodOf } from "./windows.js";

/** What one reading adds to the total of an aligned window. */
export interface WindowStep {
  readonly windowStart: number;
  readonly before: Decimal;
  readonly after: Decimal;
}

/** Names a step of a reading. */
export const stepOf = (grain: Grain, scope: Pick<Scope, "id"> | undefined): string =>
  scope === undefined ? grain : `${grain}|${scope.id}`;

/** Names the step of what all usage costs. */
export const MONEY_STEP = MONEY;

/** Recorded usage of a tenant. */
export interface CountedUsage extends TenantUsage {
  /** The counters that it is settled in. */
  readonly counted: readonly CounterKey[];
}

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
  /** What the batch adds to it that is stored by all dimensions. */
  unplanned: Decimal;
}

const NOTHING = { delta: ZERO, running: ZERO, after: ZERO, unplanned: ZERO };

/** A row of a billing period, and what it counts. */
interface ClaimedRow {
  readonly row: RunningTotal;
  readonly claim: ClaimedSeries;
}

interface SummedTotal extends RunningTotal {
  readonly end: number;
}

export type BatchTotals = ReturnType<typeof createBatchTotals>;

/** The limits of a moment, as known at a tenancy version. */
export interface LimitsThen {
  at(tenant: TenantState, atMs: number, version: number): LimitsInForce | undefined;
}

/** The batch's sums: one per database row, and one per limited window that is a sum of rows. */
export function createBatchTotals(usages: readonly CountedUsage[], limits: LimitsThen) {
  const rows: RunningTotal[] = [];
  const summed: SummedTotal[] = [];
  // Nested instead of one composite key: building and hashing such a text for each grain of each event dominated the cost.
  const byMeter = new Map<string, Map<string, Map<Grain, Map<number, RunningTotal>>>>();
  const pricedOf = new Map<string, Map<PricedUsage, Map<number, PricedStep>>>();
  const rowsOf = new Map<UsageReading, RunningTotal[]>();
  /** Of prices that no usage of the batch is charged by, beside those that are. */
  const watched: RunningTotal[] = [];
  const money = new Map<UsageReading, PricedReading>();
  const pricedReadings: {
    readonly tenant: TenantState;
    readonly reading: UsageReading;
    readonly priced: PricedUsage;
  }[] = [];
  /** By tenant: rows of billing periods that usage counts in of which nobody knew, too. */
  const claimed = new Map<string, ClaimedRow[]>();
  /** That usage, and the rows. */
  const unplanned = new Map<UsageReading, readonly ClaimedRow[]>();
  function rowOf(tenantId: string, meter: string, bucket: GrainBucket, of: RowOptions = {}): RunningTotal {
    const { end, scope } = of;
    const ofBucket = within(within(within(byMeter, tenantId), meter), bucket.grain);
    const known = ofBucket.get(bucket.bucketStart);
    if (known !== undefined) return known;
    const step = stepOf(bucket.grain, scope);
    const row = { ...bucket, tenantId, meter, step, ...NOTHING };
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
      const priced = inForce?.limits.find((limit) => limit.money)?.money;
      if (priced !== undefined) pricedReadings.push({ tenant, reading, priced });
      const own = grainsOf(reading, tenant, inForce).map((bucket) => rowOf(tenant.id, meter, bucket));
      if (own.some(({ grain }) => grain === "CALENDAR_DAY"))
        for (const window of sums.get(meter) ?? []) {
          const { start, end } = periodOf(window, reading.time, tenant);
          own.push(rowOf(tenant.id, meter, { grain: window, bucketStart: start }, { end }));
        }
      for (const { counted, series } of reading.scoped ?? []) {
        const { scope } = counted;
        const buckets = scopedGrains(reading, counted, tenant);
        for (const bucket of buckets) {
          const row = rowOf(tenant.id, series, bucket, { scope });
          if (bucket.grain === "BILLING_PERIOD" && scope.by.length === 0 && scope !== UNPLANNED)
            claim(row, { meter, scope });
          own.push(row);
        }
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
  for (const { tenant, reading, priced } of pricedReadings) notePriced(tenant, reading, priced);
  for (const usage of usages) noteUnplanned(usage);

  /** What all usage costs is another amount after the entry. */
  function notePriced(tenant: TenantState, reading: UsageReading, priced: PricedUsage): void {
    const { start } = periodOf("BILLING_PERIOD", reading.time, tenant);
    const all = within(within(pricedOf, tenant.id), priced);
    const step: PricedStep = all.get(start) ?? {
      ...{ windowStart: start, latest: undefined, before: undefined },
      lines: priced.lines.map((line) => pricedLine(line, claimedRow(tenant.id, line, start))),
    };
    all.set(start, step);
    const { latest } = step;
    if (latest !== undefined && latest.seq === reading.seq) money.set(latest, { step, isLast: false });
    money.set(reading, { step, isLast: true });
    step.latest = reading;
  }

  /** Usage of which nobody knew by what to count it counts in what claims it now. */
  function noteUnplanned({ tenant, readings, counted }: CountedUsage): void {
    const found = readings.flatMap((reading) => {
      const dimensions = reading.backfilled?.period === false ? undefined : unplannedOf(reading);
      return dimensions === undefined ? [] : [{ reading, dimensions }];
    });
    for (const { reading } of found) {
      const { start } = periodOf("BILLING_PERIOD", reading.time, tenant);
      for (const claim of claimsOf(counted)) if (claim.meter === reading.meter) claimedRow(tenant.id, claim, start);
    }
    for (const { reading, dimensions } of found) {
      const { start } = periodOf("BILLING_PERIOD", reading.time, tenant);
      const own = (claimed.get(tenant.id) ?? []).filter(
        ({ row, claim }) => row.bucketStart === start && claim.meter === reading.meter && isClaimed(claim, dimensions),
      );
      for (const { row } of own) row.unplanned = row.unplanned.plus(reading.value);
      unplanned.set(reading, own);
    }
  }

  /** The total of what is claimed as a whole, with the batch's usage or without any. */
  function claimedRow(
    tenantId: string,
    { meter, scope }: Pick<PricedLine, "meter" | "scope">,
    start: number,
  ): RunningTotal {
    const bucket = { grain: "BILLING_PERIOD", bucketStart: start } as const;
    const series = seriesOf(meter, scope);
    const ofBucket = within(within(within(byMeter, tenantId), series), bucket.grain);
    let row = ofBucket.get(start);
    if (row === undefined) {
      row = { ...bucket, tenantId, meter: series, step: "", ...NOTHING };
      ofBucket.set(start, row);
      watched.push(row);
    }
    if (scope !== undefined) claim(row, { meter, scope });
    return row;
  }
  function claim(row: RunningTotal, of: ClaimedSeries): void {
    const own = claimed.get(row.tenantId) ?? [];
    claimed.set(row.tenantId, own);
    if (!own.some((one) => one.row === row)) own.push({ row, claim: of });
  }
  return {
    deltas: () => rows,
    summed: () => summed,
    watched: () => watched,
    /** The totals with this batch, in the order of `deltas`, `summed` and `watched`. */
    startFrom(after: readonly Decimal[], sums: readonly Decimal[], others: readonly Decimal[]): void {
      const begin = (row: RunningTotal, total: Decimal | undefined): void => {
        row.after = total ?? ZERO;
        row.running = row.after.minus(row.delta);
      };
      for (const [index, row] of rows.entries()) begin(row, after[index]);
      for (const [index, row] of summed.entries()) begin(row, sums[index]);
      for (const [index, row] of watched.entries()) begin(row, others[index]);
    },
    /** Of which meters usage may count that nobody knew by what to count. */
    claimedMeters: () =>
      [...claimed].flatMap(([tenantId, rowsBy]) => {
        const since = Math.min(...rowsBy.map(({ row }) => row.bucketStart));
        return [...new Set(rowsBy.map((one) => one.claim.meter))].map((meter) => ({ tenantId, meter, since }));
      }),
    /** After `startFrom`: that usage, with this batch. */
    addUnplanned(found: readonly UnplannedTotal[]): void {
      for (const rowsBy of claimed.values())
        for (const { row } of rowsBy) row.running = row.running.minus(row.unplanned);
      for (const { tenantId, meter, dimensions, bucketStart, total } of found)
        for (const { row, claim: of } of claimed.get(tenantId) ?? []) {
          if (row.bucketStart !== bucketStart || of.meter !== meter || !isClaimed(of, dimensions)) continue;
          row.after = row.after.plus(total);
          row.running = row.running.plus(total);
        }
    },
    /** Adds one reading; returns its totals before and after, and with the last one of an entry what all usage costs. */
    advance(reading: UsageReading): ReadonlyMap<string, WindowStep> {
      const priced = money.get(reading);
      if (priced !== undefined) priced.step.before ??= costOf(priced.step);
      for (const { row } of unplanned.get(reading) ?? []) row.running = row.running.plus(reading.value);
      const steps = (rowsOf.get(reading) ?? []).map((row): [string, WindowStep] => {
        const before = row.running;
        row.running = before.plus(reading.value);
        return [row.step, { windowStart: row.bucketStart, before, after: row.running }];
      });
      if (priced?.isLast === true) {
        const { windowStart, before = ZERO } = priced.step;
        steps.push([MONEY_STEP, { windowStart, before, after: costOf(priced.step) }]);
        priced.step.before = undefined;
      }
      return new Map(steps);
    },
    period: (tenantId: string, meter: string, window: PeriodWindow, start: number) =>
      byMeter.get(tenantId)?.get(meter)?.get(window)?.get(start)?.after,
  };
}

/** What all usage of a billing period costs under a plan, while a batch is evaluated. */
interface PricedStep {
  readonly windowStart: number;
  readonly lines: readonly PricedTotal[];
  /** The last reading so far. */
  latest: UsageReading | undefined;
  /** What they cost before the entry whose readings are added; undefined: none is. */
  before: Decimal | undefined;
}

/** An entry that several meters count is one step, which its last reading completes. */
interface PricedReading {
  readonly step: PricedStep;
  readonly isLast: boolean;
}

interface PricedTotal {
  readonly row: Pick<RunningTotal, "running">;
  /** Of the row's total of now, as a line of an invoice. */
  amount(): Decimal;
}

/** Most usage changes one line of many. */
function pricedLine(line: PricedLine, row: Pick<RunningTotal, "running">): PricedTotal {
  let known: { readonly quantity: Decimal; readonly amount: Decimal } | undefined;
  return {
    row,
    amount() {
      const { running } = row;
      if (known?.quantity !== running) known = { quantity: running, amount: line.amountOf(running) };
      return known.amount;
    },
  };
}

/** Nothing is used: nothing is told of yet, whatever the lines cost without usage. */
function costOf({ lines }: PricedStep): Decimal {
  if (lines.every(({ row }) => row.running.isZero())) return ZERO;
  return sumDecimals(lines.map((line) => line.amount()));
}

interface RowOptions {
  /** Of a window that is a sum of others. */
  readonly end?: number;
  readonly scope?: Scope;
}

/** The windows, by meter or by scope, that are sums of others and that a limit of some reading or a counter is on. */
function sumsOf(
  { tenant, readings, counted }: CountedUsage,
  limits: LimitsThen,
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
