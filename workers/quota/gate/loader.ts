import type { Database } from "#platform/database/database.js";
import { nextTurn } from "#platform/lifecycle/time.js";
import { WINDOW_MS } from "#schema/vocabulary.js";
import {
  CountersUnavailable,
  type Incarnation,
  type LoadedBucket,
  type LoadedCounter,
  type QuotaCounters,
  type TenantLoad,
} from "../counters/counters.js";
import { type CounterKey, counterId, countersOf } from "../rules/limits.js";
import { unitsUp } from "../rules/scaling.js";
import { bucketStart, GRAIN_MS, outlivesLoss, REBUILT_FROM, SLIDING } from "../rules/windows.js";
import {
  type FactsOf,
  type Opening,
  openCounters,
  positionsOfTenants,
  readFacts,
  type TenantFacts,
  takeSavedCounters,
} from "../store/loading.js";
import { isDatabaseUnreachable } from "../store/store.js";
import { counterWindow, type LimitedTenant, type TenantLimits } from "./tenant-limits.js";

export type CounterLoader = ReturnType<typeof createCounterLoader>;

const MAX_ROUNDS = 5;
/** Maximum tenants loaded together: those that arrive meanwhile are in the next batch. */
const LOADED_AT_ONCE = 500;

export function createCounterLoader(counters: QuotaCounters, database: Database, limits: TenantLimits) {
  const waiting = new Map<string, Waiting>();
  const running = new Map<string, Waiting>();
  let isLoading = false;

  async function loadWaiting(): Promise<void> {
    isLoading = true;
    while (waiting.size > 0) {
      const batch = [...waiting.values()].slice(0, LOADED_AT_ONCE);
      for (const one of batch) {
        waiting.delete(one.tenantId);
        running.set(one.tenantId, one);
      }
      await loadAndTell(batch);
      for (const one of batch) running.delete(one.tenantId);
    }
    isLoading = false;
  }

  /** After a failed batch each tenant is tried separately, so that one tenant's broken state does not affect others. */
  async function loadAndTell(batch: readonly Waiting[]): Promise<void> {
    try {
      await loadTogether(batch);
      for (const one of batch) one.resolve();
    } catch (error) {
      const isAlone = batch.length === 1 || error instanceof CountersUnavailable || isDatabaseUnreachable(error);
      for (const one of batch) {
        if (isAlone) one.reject(error);
        else await loadAndTell([one]);
      }
    }
  }

  async function loadTogether(batch: readonly Waiting[]): Promise<void> {
    let left = batch.map(({ tenantId }) => tenantId);
    for (let round = 0; round < MAX_ROUNDS && left.length > 0; round += 1) left = await loadOnce(left);
    if (left.length > 0)
      throw new Error(`the counters of ${left[0]} were lost ${MAX_ROUNDS} times while they were loaded`);
  }

  /** Returns tenants whose counters were lost meanwhile. */
  async function loadOnce(tenantIds: readonly string[]): Promise<string[]> {
    const limited = tenantIds
      .map((tenantId) => limits.current(tenantId))
      .filter((one): one is LimitedTenant => one?.inForce !== undefined);
    const ids = limited.map(({ tenant }) => tenant.id);
    if (ids.length === 0) return [];
    const incarnations = await counters.incarnations(ids);
    const saved = await takeSavedCounters(database, ids);
    const openings = await openCounters(
      database,
      limited.map(({ tenant, inForce }, index) => {
        const state = saved.get(tenant.id);
        const isRestored = state !== undefined && counters.restore(tenant.id, state.state);
        const incarnation = incarnations[index] ?? NO_INCARNATION;
        return {
          tenantId: tenant.id,
          incarnation: incarnation.name,
          keys: countersOf(inForce?.limits ?? []),
          judge: judgeOpening(incarnation, isRestored ? state.incarnation : undefined, tenant.testClock !== null),
        };
      }),
    );
    const facts = await readFacts(database, limited.map(factsWanted));
    await Promise.all(
      limited.map(async (one, index) => {
        const { id } = one.tenant;
        const name = (incarnations[index] ?? NO_INCARNATION).name;
        const built = buildLoad(one, name, facts.get(id) ?? NO_FACTS, openings.get(id) ?? []);
        await counters.load(built);
        await counters.repair(built);
      }),
    );
    // Settlements committed between reading and loading missed the counters, which were not there yet.
    const positions = await positionsOfTenants(database.pool, ids);
    await repairAll(limited.filter(({ tenant: { id } }) => (positions.get(id) ?? 0) > (facts.get(id)?.seq ?? 0)));
    const after = await counters.incarnations(ids);
    return ids.filter((_, index) => after[index]?.name !== incarnations[index]?.name);
  }

  async function repairAll(limited: readonly LimitedTenant[]): Promise<void> {
    if (limited.length === 0) return;
    const facts = await readFacts(database, limited.map(factsWanted));
    const incarnations = await counters.incarnations(limited.map(({ tenant }) => tenant.id));
    await Promise.all(
      limited.map((one, index) => {
        const openings = countersOf(one.inForce?.limits ?? []).map((key) => ({ key, blockedUntil: 0 }));
        const { name } = incarnations[index] ?? NO_INCARNATION;
        return counters.repair(buildLoad(one, name, facts.get(one.tenant.id) ?? NO_FACTS, openings));
      }),
    );
  }

  return {
    /** Brings loaded counters up to the usage in the database. */
    async repair(tenantId: string): Promise<void> {
      const limited = limits.current(tenantId);
      if (limited?.inForce !== undefined) await repairAll([limited]);
    },
    /** Builds a tenant's counters from the database after any loss. Single-flight per tenant. */
    load(tenantId: string): Promise<void> {
      const already = running.get(tenantId) ?? waiting.get(tenantId);
      if (already !== undefined) return already.done;
      const { promise: done, resolve, reject } = deferred();
      waiting.set(tenantId, { tenantId, done, resolve, reject });
      if (!isLoading) {
        isLoading = true;
        nextTurn(() => void loadWaiting());
      }
      return done;
    },
  };
}

interface Waiting {
  readonly tenantId: string;
  readonly done: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

function deferred(): Pick<Waiting, "resolve" | "reject"> & { readonly promise: Promise<void> } {
  let resolve: () => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

const NO_INCARNATION: Incarnation = { name: "", since: 0 };
const NO_FACTS: TenantFacts = { seq: 0, totals: [], bounds: [] };

export const factsWanted = ({ tenant, now, inForce }: LimitedTenant): FactsOf => ({
  tenantId: tenant.id,
  now,
  periodStart: inForce?.period.start ?? now,
});

/**
 * Until when a counter loaded now is not trustworthy: a short window known to another incarnation may contain admissions from
 * just before this one began. A test tenant's time stands still, so waiting would never end.
 */
function judgeOpening(incarnation: Incarnation, continued: string | undefined, testClock: boolean) {
  return (
    key: CounterKey,
    last: { readonly incarnation: string; readonly blockedUntil: number } | undefined,
  ): number => {
    if (last === undefined || key.window === "BILLING_PERIOD" || outlivesLoss(key.window) || testClock) return 0;
    if (last.incarnation === incarnation.name || last.incarnation === continued) return last.blockedUntil;
    return incarnation.since + WINDOW_MS[key.window];
  };
}

/** The target state of a tenant's counters, from the database. */
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

/** The counter's bucket for a total of a possibly longer grain: the last one it can overlap, but not a future one. */
function latestBucket(key: CounterKey, start: number, now: number): number {
  if (key.window === "BILLING_PERIOD") return start;
  const { bucketMs } = SLIDING[key.window];
  const end = start + GRAIN_MS[REBUILT_FROM[key.window]] - 1;
  return bucketStart(Math.max(start, Math.min(end, now)), bucketMs);
}
