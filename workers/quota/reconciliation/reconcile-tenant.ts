import { type Decimal, formatDecimal, ZERO } from "#kernel/decimal.js";
import { MetrlyError } from "#kernel/errors.js";
import { partitionOf } from "#kernel/partition.js";
import { type Period, periodAt } from "#kernel/period.js";
import type { Database } from "#platform/database/database.js";
import type { LedgerClient } from "#platform/ledger/client.js";
import { ledgerPages } from "#platform/ledger/pages.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { DimensionMatchState } from "#schema/events/tenancy-changed.v1.js";
import { storedBackfills } from "#schema/meters/counting-meters.js";
import { isAdditive, isPeriodWindow, type PeriodWindow, SLIDING_WINDOWS, WINDOW_MS } from "#schema/vocabulary.js";
import type { QuotaCounters } from "../counters/counters.js";
import { factsWanted } from "../gate/loader.js";
import type { LimitedTenant, TenantLimits } from "../gate/tenant-limits.js";
import { amountOf, amountText } from "../rules/amount.js";
import { foldBackfill } from "../rules/backfill.js";
import { type CounterKey, counterId, isFamily, type LimitInForce, lineKey, memberId } from "../rules/limits.js";
import { totalsOfPeriods } from "../rules/period-totals.js";
import { matchesOf, seriesOf, seriesOfCounter, UNPLANNED, unplannedDimensions } from "../rules/scopes.js";
import { type GrainBucket, grainsOf, scopedGrains, usageReadings } from "../rules/usage.js";
import type { ScopedReading, UsageReading } from "../rules/usage-reading.js";
import {
  calendarSince,
  counterWindow,
  type Grain,
  outlivesLoss,
  REBUILT_FROM,
  reachMs,
  type WindowsOf,
} from "../rules/windows.js";
import { createCombinations, type UsedCombination } from "../store/combinations.js";
import { readFacts, type TenantFacts } from "../store/loading.js";
import type { QuotaStore } from "../store/store.js";
import { firstSeqWith } from "./ledger-search.js";

export interface ReconcileOptions {
  readonly database: Database;
  readonly store: QuotaStore;
  readonly counters: QuotaCounters;
  /** Brings the counters of tenants up to the database. */
  catchUp(tenantIds: readonly string[]): Promise<void>;
  readonly limits: TenantLimits;
  readonly tenancy: TenancyCopy;
  readonly ledger: LedgerClient;
  readonly partitions: number;
}

/** Differences of quota's database or counters from the ledger. Quantities are decimals. */
export interface Difference {
  readonly tenantId: string;
  readonly meter: string;
  /** Of a limit with `by`, and of usage from before a plan: the combination of values. */
  readonly dimensions?: readonly DimensionMatchState[];
  /** Of a limit with `where`: the values that usage must have. */
  readonly where?: readonly DimensionMatchState[];
  readonly grain: Grain;
  readonly bucketStart: string;
  readonly ledger: string;
  readonly found: string;
  /** The side that differed; the ledger is authoritative. */
  readonly wrong: "database" | "counters";
  readonly repaired: boolean;
}

export type ReconcileStep =
  | { readonly kind: "progress"; readonly tenantId: string; readonly seq: number; readonly of: number }
  | { readonly kind: "difference"; readonly difference: Difference }
  | {
      readonly kind: "done";
      readonly tenantId: string;
      /** The ledger position of the comparison. */
      readonly seq: number;
      readonly events: number;
      /** Why the counters were not compared; undefined: they were. */
      readonly countersSkipped?: string;
    };

/** Sliding windows are rebuilt from these, as far back as a window reaches. */
const REACHED = new Map<string, number>(
  SLIDING_WINDOWS.filter(outlivesLoss).map((window) => [REBUILT_FROM[window], WINDOW_MS[window]]),
);
const ATTEMPTS = 20;

async function factsOf(database: Database, limited: LimitedTenant): Promise<TenantFacts> {
  // Also without a plan: one that begins within a window finds its totals.
  const wanted = {
    ...factsWanted(limited, limited.now),
    periodStart: periodAt(limited.now, limited.tenant.billingAnchorDay).start,
    calendarSince: calendarSince(limited.now, limited.tenant),
  };
  const facts = (await readFacts(database, [{ ...wanted, isOfEverySeries: true }])).get(limited.tenant.id);
  if (facts === undefined) throw new Error(`no facts of ${limited.tenant.id}`);
  return facts;
}

type Totals = ReadonlyMap<string, Decimal>;

/**
 * Derives a tenant's totals from the ledger and compares them with quota's database at the same position, and with the counters
 * when they are at the database's position. Covers the current billing period, the days of the current week and month of the
 * calendar, and the totals that rebuild sliding windows, by the usage's own time; of the counters those of windows with a start
 * and an end, as sliding ones merge what is close in time. `repair` corrects both.
 * Safe under live traffic. Throws NOT_FOUND.
 */
export async function* reconcileTenant(
  options: ReconcileOptions,
  tenantId: string,
  repair: boolean,
): AsyncGenerator<ReconcileStep> {
  const limited = options.limits.current(tenantId);
  if (limited === undefined) throw new MetrlyError("NOT_FOUND", "The tenant does not exist");
  const { start } = periodAt(limited.now, limited.tenant.billingAnchorDay);
  const facts = await factsOf(options.database, limited);
  const wanted = wantedBuckets(limited, start);
  const derived = yield* deriveTotals(options, limited, facts.seq, wanted);
  const stored = storedTotals(facts, wanted);
  const wrong = [...new Set([...derived.totals.keys(), ...stored.keys()])].filter(
    (key) => !(derived.totals.get(key) ?? ZERO).eq(stored.get(key) ?? ZERO),
  );
  if (repair) await correctDatabase(options, tenantId, wrong, derived, stored);
  for (const key of wrong) {
    const [ledger, found] = [derived.totals, stored].map((totals) => formatDecimal(totals.get(key) ?? ZERO));
    yield {
      kind: "difference",
      difference: {
        ...{ tenantId, ...bucketOf(key), ledger: ledger ?? "0", found: found ?? "0" },
        ...countedOf(bucketOf(key).meter, derived.named),
        wrong: "database",
        repaired: repair,
      },
    };
  }
  // Counters are compared with the database, which by now equals the ledger or is known to differ.
  const ofCounters =
    wrong.length > 0 && !repair
      ? { skipped: "quota's database differs from the ledger; repair it first", differences: [] }
      : await compareCounters(options, limited, repair, derived.named);
  for (const difference of ofCounters.differences) yield { kind: "difference", difference };
  yield {
    kind: "done",
    tenantId,
    seq: facts.seq,
    events: derived.events,
    ...(ofCounters.skipped !== undefined && { countersSkipped: ofCounters.skipped }),
  };
}

interface Derived {
  readonly totals: Totals;
  readonly events: number;
  /** What each series of a scope counts. */
  readonly named: ReadonlyMap<string, ScopedReading>;
}

/** A meter, or what of it a limit with `by` or `where` counts; of a series that the ledger does not have, its name. */
function countedOf(
  series: string,
  named: ReadonlyMap<string, ScopedReading>,
): Pick<Difference, "meter" | "dimensions" | "where"> {
  const found = named.get(series);
  if (found === undefined) return { meter: series };
  const { counted, values } = found;
  const { where } = counted.scope;
  return {
    meter: counted.meter,
    ...(values.length > 0 && { dimensions: namedValues(found) }),
    ...(where.length > 0 && { where }),
  };
}

const namedValues = ({ counted: { scope }, values }: ScopedReading): readonly DimensionMatchState[] =>
  scope === UNPLANNED
    ? [...unplannedDimensions(values)].map(([dimension, value]) => ({ dimension, value }))
    : matchesOf(scope, values);

/** Of a grain by its name in the database. */
type Wanted = (grain: string, bucketStart: number) => boolean;

function wantedBuckets({ tenant, now }: LimitedTenant, periodStart: number): Wanted {
  const daysSince = calendarSince(now, tenant);
  return (grain, bucketStart) => {
    if (grain === "BILLING_PERIOD") return bucketStart === periodStart;
    if (grain === "CALENDAR_DAY") return bucketStart >= daysSince;
    // A test tenant's clock has moved since the arrivals: which usage came too late for a window cannot be derived again.
    if (tenant.testClock !== null) return false;
    const reach = REACHED.get(grain);
    return reach !== undefined && bucketStart > now - reach;
  };
}

const keyOf = (meter: string, grain: string, bucketStart: number): string =>
  JSON.stringify([meter, grain, bucketStart]);

function bucketOf(key: string): { meter: string; grain: Grain; bucketStart: string } {
  const [meter, grain, bucketStart]: [string, Grain, number] = JSON.parse(key);
  return { meter, grain, bucketStart: new Date(bucketStart).toISOString() };
}

function storedTotals({ totals }: TenantFacts, wanted: Wanted): Totals {
  const found = new Map<string, Decimal>();
  for (const [meter, ofSeries] of totals)
    for (const { grain, bucketStart, total } of ofSeries)
      if (wanted(grain, bucketStart)) found.set(keyOf(meter, grain, bucketStart), total);
  return found;
}

/** Reads the ledger up to `toSeq` from the start of the oldest relevant bucket. */
async function* deriveTotals(
  { database, store, ledger, tenancy, limits, partitions }: ReconcileOptions,
  { tenant, now }: LimitedTenant,
  toSeq: number,
  wanted: Wanted,
): AsyncGenerator<ReconcileStep, Derived> {
  const partition = partitionOf(tenant.id, partitions);
  const slid = now - Math.max(...SLIDING_WINDOWS.map(reachMs));
  const oldest = Math.min(periodAt(now, tenant.billingAnchorDay).start, calendarSince(now, tenant), slid);
  const first = tenant.testClock === null ? await firstSeqWith(ledger, partition, toSeq, oldest) : 1;
  const stored = (await store.backfills(database.pool, partition)).filter(({ seq }) => seq <= toSeq);
  const backfills = storedBackfills(stored, tenancy.meter);
  const asOfNow = { recordedAt: now, tenancyVersion: tenancy.version() };
  const folds = backfills
    .filter(({ meter }) => isAdditive(meter.aggregation))
    .map((backfill) => foldBackfill(backfill, asOfNow, tenancy.metersOfType, () => tenant));
  const totals = new Map<string, Decimal>();
  let events = 0;
  const named = new Map<string, ScopedReading>();
  const scopesAt = limits.scopesOf(tenant);
  function add(meter: string, { value }: UsageReading, { grain, bucketStart }: GrainBucket): void {
    if (!wanted(grain, bucketStart)) return;
    const key = keyOf(meter, grain, bucketStart);
    totals.set(key, (totals.get(key) ?? ZERO).plus(value));
  }
  const of = toSeq - first + 1;
  for await (const page of ledgerPages(ledger, { partition, from: first, to: toSeq, tenantId: tenant.id })) {
    for (const entry of page.entries) {
      events += entry.kind === "event" ? 1 : 0;
      for (const fold of folds) fold.add(entry);
      for (const reading of usageReadings(entry, tenancy.metersOfType, tenant, { scopesAt, backfills })) {
        const inForce = limits.at(tenant, reading.time, reading.tenancyVersion);
        for (const bucket of grainsOf(reading, tenant, inForce)) add(reading.meter, reading, bucket);
        for (const scoped of reading.scoped ?? []) {
          named.set(scoped.series, scoped);
          for (const bucket of scopedGrains(reading, scoped.counted, tenant)) add(scoped.series, reading, bucket);
        }
      }
    }
    yield { kind: "progress", tenantId: tenant.id, seq: Math.min(page.nextSeq - first, of), of };
  }
  for (const reading of folds.flatMap((fold) => [...fold.readings().values()].flat())) {
    for (const bucket of grainsOf(reading, tenant, undefined)) add(reading.meter, reading, bucket);
    for (const scoped of reading.scoped ?? []) {
      named.set(scoped.series, scoped);
      for (const bucket of scopedGrains(reading, scoped.counted, tenant)) add(scoped.series, reading, bucket);
    }
  }
  return { totals, events, named };
}

/** By the difference, not to the target value: usage added meanwhile stays. */
async function correctDatabase(
  { database, store }: ReconcileOptions,
  tenantId: string,
  wrong: readonly string[],
  { totals: ledger, named }: Derived,
  stored: Totals,
): Promise<void> {
  if (wrong.length === 0) return;
  const deltas = wrong.map((key) => {
    const [meter, grain, bucketStart]: [string, Grain, number] = JSON.parse(key);
    return {
      ...{ tenantId, meter, grain, bucketStart },
      delta: (ledger.get(key) ?? ZERO).minus(stored.get(key) ?? ZERO),
    };
  });
  const used = deltas.flatMap(({ meter: series, grain, bucketStart: periodStart }): readonly UsedCombination[] => {
    const found = named.get(series);
    if (grain !== "BILLING_PERIOD" || found === undefined || found.combination === "") return [];
    const { counted, combination, values } = found;
    return [{ tenantId, scope: seriesOf(counted.meter, counted.scope), periodStart, combination, values }];
  });
  await database.transaction(async (tx) => {
    await store.addUsage(tx, deltas);
    // Whatever this process takes for stored: a total counts nowhere without its values.
    await createCombinations().add(tx, used);
  });
}

/** Counters that one look reads. */
const LOOKED_AT_ONCE = 100;

/** Compares a consistent pair: counters and database must be at the same position before and after. */
async function compareCounters(
  { counters, database, catchUp }: ReconcileOptions,
  limited: LimitedTenant,
  repair: boolean,
  named: ReadonlyMap<string, ScopedReading>,
): Promise<{ readonly differences: readonly Difference[]; readonly skipped?: string }> {
  const { tenant, inForce } = limited;
  const counted = comparableOf(inForce?.limits ?? []);
  if (counted.length === 0) return { differences: [] };
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const facts = await factsOf(database, limited);
    const [before] = await counters.positions([tenant.id]);
    if (before === undefined) return { differences: [], skipped: "they are not loaded" };
    if (before < facts.seq) await catchUp([tenant.id]);
    const compared = counted.flatMap((one) => comparedOf(one, facts, tenant));
    const used = await usedOf(compared);
    const [after] = await counters.positions([tenant.id]);
    if (before !== facts.seq || after !== facts.seq || used === undefined) continue;
    const wrong = compared.flatMap((one) => {
      const found = used.get(one.counter);
      return found === undefined || found === one.total ? [] : [{ ...one, found }];
    });
    const totals = wrong.map(({ counter, of, total }) => ({ counter, periodStart: of.bounds.start, total }));
    const isRepaired = repair && (await counters.correct(tenant.id, facts.seq, totals));
    if (repair && !isRepaired) continue;
    return {
      differences: wrong.map(({ counter, of, total, found }) => ({
        tenantId: tenant.id,
        ...countedOf(seriesOfCounter(counter), named),
        grain: of.window,
        bucketStart: new Date(of.bounds.start).toISOString(),
        ledger: amountText(total),
        found: amountText(found),
        wrong: "counters",
        repaired: isRepaired,
      })),
    };
  }
  return { differences: [], skipped: "they changed during the comparison; retry when the tenant is less active" };

  /** What the counters hold; those of single combinations, only if they are loaded. Undefined: others are not. */
  async function usedOf(all: readonly Compared[]): Promise<ReadonlyMap<string, bigint> | undefined> {
    const found = new Map<string, bigint>();
    for (let from = 0; from < all.length; ) {
      const some = all.slice(from, from + LOOKED_AT_ONCE);
      let left = some;
      for (;;) {
        const charges = left.map(({ counter, of: { key, window, bounds } }) => ({
          ...{ counter, meter: key.meter, window: counterWindow(window, bounds), amount: 0n },
          ...{ hardLimit: null, laterLimits: [], bounded: false },
        }));
        const look = { kind: "check", key: "", content: "", ttlMs: 0, charges } as const;
        const [outcome] = await counters.execute(tenant.id, [look], tenant.testClock ?? undefined);
        if (outcome?.kind === "decided") {
          for (const [index, { counter }] of left.entries()) found.set(counter, outcome.readings[index]?.used ?? 0n);
          break;
        }
        if (outcome?.kind !== "unknown" || outcome.missing === undefined) return undefined;
        const missing = new Set(outcome.missing);
        left = left.filter(({ counter }) => !missing.has(counter));
      }
      from += some.length;
    }
    return found;
  }
}

/** A counter of a meter, or a family of them, that is set to the total of a window with a start and an end. */
interface Comparable {
  readonly key: CounterKey & { readonly meter: string };
  readonly window: PeriodWindow;
  readonly bounds: Period;
}

/** Of limits in money, the counters of the prices. */
function comparableOf(limits: readonly LimitInForce[]): readonly Comparable[] {
  const found = new Map<string, Comparable>();
  for (const { counter, money, bounds } of limits) {
    for (const key of money === undefined ? [counter] : money.lines.map(lineKey)) {
      const { meter, window } = key;
      if (meter === null || !isPeriodWindow(window) || bounds === undefined) continue;
      found.set(counterId(key), { key: { ...key, meter }, window, bounds });
    }
  }
  return [...found.values()];
}

interface Compared {
  readonly of: Comparable;
  readonly counter: string;
  readonly total: bigint;
}

/** Each counter with its total: of a family, those of combinations with totals. */
function comparedOf(of: Comparable, facts: TenantFacts, tenant: WindowsOf): readonly Compared[] {
  const { key, window, bounds } = of;
  const totalOf = (series: string): bigint =>
    amountOf(totalsOfPeriods(series, window, facts, tenant).get(bounds.start) ?? ZERO);
  const id = counterId(key);
  const scope = seriesOf(key.meter, key.scope);
  if (!isFamily(key)) return [{ of, counter: id, total: totalOf(scope) }];
  const series = [...facts.totals.keys()].filter((one) => one.startsWith(`${scope}|`));
  return series.map((one) => ({
    of,
    counter: memberId(id, one.slice(scope.length + 1)),
    total: totalOf(one),
  }));
}
