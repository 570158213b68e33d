import type { Incarnation, LoadedBucket, LoadedCounter, QuotaCounters, TenantLoad } from "#platform/quota-counters.js";
import { type CounterKey, counterId, countersOf } from "./rules/limits.js";
import { unitsUp } from "./rules/scaling.js";
import { bucketStart, GRAIN_MS, outlivesLoss, REBUILT_FROM, SLIDING } from "./rules/windows.js";
import type { Opening, QuotaStore, TenantFacts } from "./store.js";
import { counterWindow, type LimitedTenant, type TenantLimits } from "./tenant-limits.js";

export interface CounterLoader {
  /** Builds a tenant's counters from the database, whatever the counters have lost. One run per tenant at a time. */
  load(tenantId: string): Promise<void>;
  /** Brings loaded counters up to the usage that the database holds. */
  repair(tenantId: string): Promise<void>;
}

const MAX_ROUNDS = 5;

export function createCounterLoader(counters: QuotaCounters, store: QuotaStore, limits: TenantLimits): CounterLoader {
  const running = new Map<string, Promise<void>>();

  async function load(tenantId: string): Promise<void> {
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const limited = limits.current(tenantId);
      if (limited?.inForce === undefined) return;
      const incarnation = await counters.incarnation(tenantId);
      await loadUnder(limited, incarnation);
      if ((await counters.incarnation(tenantId)).name === incarnation.name) return;
    }
    throw new Error(`the counters of ${tenantId} were lost ${MAX_ROUNDS} times while they were loaded`);
  }

  async function loadUnder(limited: LimitedTenant, incarnation: Incarnation): Promise<void> {
    const tenantId = limited.tenant.id;
    const saved = await store.takeSavedCounters(tenantId);
    const restored = saved !== undefined && counters.restore(tenantId, saved.state);
    const judge = judgeOpening(
      incarnation,
      restored ? saved.incarnation : undefined,
      limited.tenant.testClock !== null,
    );
    const keys = countersOf(limited.inForce?.limits ?? []);
    const openings = await store.openCounters(tenantId, incarnation.name, keys, judge);
    const facts = await factsOf(limited);
    const built = buildLoad(limited, incarnation.name, facts, openings);
    await counters.load(built);
    await counters.repair(built);
    // Usage that was committed between reading and loading was told to counters that were not there yet.
    if ((await store.position(tenantId)) > facts.seq) await repair(tenantId);
  }

  const factsOf = ({ tenant, now, inForce }: LimitedTenant): Promise<TenantFacts> =>
    store.tenantFacts(tenant.id, now, inForce?.period.start ?? now);

  async function repair(tenantId: string): Promise<void> {
    const limited = limits.current(tenantId);
    if (limited?.inForce === undefined) return;
    const { name } = await counters.incarnation(tenantId);
    const openings = countersOf(limited.inForce.limits).map((key) => ({ key, blockedUntil: 0 }));
    await counters.repair(buildLoad(limited, name, await factsOf(limited), openings));
  }

  return {
    repair,
    load(tenantId) {
      const already = running.get(tenantId);
      if (already !== undefined) return already;
      const run = load(tenantId).finally(() => running.delete(tenantId));
      running.set(tenantId, run);
      return run;
    },
  };
}

/**
 * Until when a counter that is loaded now is not to be trusted: a short window that another incarnation knew may hold
 * admissions from just before this one began. A test tenant's time stands still, so that waiting would never end.
 */
function judgeOpening(incarnation: Incarnation, continued: string | undefined, testClock: boolean) {
  return (
    key: CounterKey,
    last: { readonly incarnation: string; readonly blockedUntil: number } | undefined,
  ): number => {
    if (last === undefined || key.window === "BILLING_PERIOD" || outlivesLoss(key.window) || testClock) return 0;
    if (last.incarnation === incarnation.name || last.incarnation === continued) return last.blockedUntil;
    return incarnation.since + SLIDING[key.window].windowMs;
  };
}

/** What the counters of a tenant must be, from what the database holds. */
export function buildLoad(
  { tenant, now, inForce }: LimitedTenant,
  incarnation: string,
  facts: TenantFacts,
  openings: readonly Opening[],
): TenantLoad {
  const period = inForce?.period ?? { start: now, end: now };
  const counters = openings.map(
    ({ key, blockedUntil }): LoadedCounter => ({
      counter: counterId(key),
      window: counterWindow(key, period),
      settles: key.meter !== null,
      blockedUntil,
      buckets: bucketsOf(key, facts, now),
    }),
  );
  return { tenantId: tenant.id, incarnation, seq: facts.seq, counters };
}

function bucketsOf(key: CounterKey, facts: TenantFacts, now: number): readonly LoadedBucket[] {
  const meter = key.meter ?? "";
  const grain = key.window === "BILLING_PERIOD" ? key.window : REBUILT_FROM[key.window];
  const buckets = new Map<number, LoadedBucket>();
  const at = (start: number): LoadedBucket => buckets.get(start) ?? { start, used: 0, bound: 0, boundUntil: 0 };
  for (const total of facts.totals) {
    if (total.meter !== meter || total.grain !== grain) continue;
    const start = latestBucket(key, total.bucketStart, now);
    const bucket = at(start);
    buckets.set(start, { ...bucket, used: bucket.used + unitsUp(total.total, key.scale) });
  }
  for (const { meter: boundMeter, window, bucketStart: start, bound, expiresAt } of facts.bounds) {
    if (boundMeter !== meter || window !== key.window) continue;
    buckets.set(start, { ...at(start), bound: unitsUp(bound, key.scale), boundUntil: expiresAt });
  }
  return [...buckets.values()].sort((a, b) => a.start - b.start);
}

/** The counter's bucket for a total whose grain may be longer than that: the last it can touch, but not a future one. */
function latestBucket(key: CounterKey, start: number, now: number): number {
  if (key.window === "BILLING_PERIOD") return start;
  const { bucketMs } = SLIDING[key.window];
  const end = start + GRAIN_MS[REBUILT_FROM[key.window]] - 1;
  return bucketStart(Math.max(start, Math.min(end, now)), bucketMs);
}
