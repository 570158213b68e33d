import type { Database } from "#platform/database/database.js";
import { deferred } from "#platform/lifecycle/deferred.js";
import { newUuid } from "#platform/lifecycle/random.js";
import { nextTurn } from "#platform/lifecycle/time.js";
import { isPeriodWindow, WINDOW_MS } from "#schema/vocabulary.js";
import {
  CountersUnavailable,
  type LoadedCounter,
  type LoadedUsage,
  type Observed,
  type QuotaCounters,
  type TenantLoad,
} from "../counters/counters.js";
import { amountOf } from "../rules/amount.js";
import { type CounterKey, counterId } from "../rules/limits.js";
import { totalsOfPeriods } from "../rules/period-totals.js";
import {
  boundsOf,
  counterWindow,
  latestIn,
  outlivesLoss,
  periodOf,
  REBUILT_FROM,
  SUMMED_FROM,
  type WindowsOf,
} from "../rules/windows.js";
import { enterEpochs, type FactsOf, positionsOfTenants, readFacts, type TenantFacts } from "../store/loading.js";
import { DatabaseUnreachable } from "../store/unreachable.js";
import type { Freshness } from "./freshness.js";
import type { LimitedTenant, TenantLimits } from "./tenant-limits.js";

export type CounterLoader = ReturnType<typeof createCounterLoader>;

export interface LoaderOptions {
  readonly counters: QuotaCounters;
  readonly database: Database;
  readonly limits: TenantLimits;
  readonly freshness: Pick<Freshness, "compare">;
}

/** Maximum tenants loaded together: those that arrive meanwhile are in the next batch. */
const LOADED_AT_ONCE = 500;

export function createCounterLoader({ counters, database, limits, freshness }: LoaderOptions) {
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
      await loadTogether(batch.map(({ tenantId }) => tenantId));
      for (const one of batch) one.resolve();
    } catch (error) {
      const isAlone =
        batch.length === 1 || error instanceof CountersUnavailable || error instanceof DatabaseUnreachable;
      for (const one of batch) {
        if (isAlone) one.reject(error);
        else await loadAndTell([one]);
      }
    }
  }

  async function loadTogether(tenantIds: readonly string[]): Promise<void> {
    const limited = limitedOf(tenantIds);
    if (limited.length === 0) return;
    const ids = limited.map(({ tenant }) => tenant.id);
    const observed = await counters.observe(ids);
    const epochs = new Map(ids.map((id) => [id, newUuid()]));
    const hadCounters = await enterEpochs(database, epochs);
    const now = await counters.now();
    const facts = await readFacts(
      database,
      limited.map((one) => factsWanted(one, now)),
    );
    await Promise.all(
      limited.map((one, index) => {
        const { id } = one.tenant;
        const { since, token } = observed[index] ?? NOT_OBSERVED;
        const lostBefore = hadCounters.has(id) ? since : undefined;
        return counters.load(buildLoad(one, now, epochs.get(id) ?? "", facts.get(id) ?? NO_FACTS, lostBefore), token);
      }),
    );
    // Settlements committed between reading and loading missed the counters, which were not there yet.
    await freshness.compare(ids);
  }

  const limitedOf = (tenantIds: readonly string[]): readonly LimitedTenant[] =>
    tenantIds
      .map((tenantId) => limits.current(tenantId))
      .filter((one): one is LimitedTenant => one?.inForce !== undefined);

  return {
    /** Brings used amounts of loaded counters up to the database's, also of tenants without a plan or that are not known. */
    async repair(tenantIds: readonly string[]): Promise<void> {
      const known = new Map(tenantIds.flatMap((id) => limits.current(id) ?? []).map((one) => [one.tenant.id, one]));
      const now = await counters.now();
      const facts = await readFacts(
        database,
        [...known.values()].map((one) => factsWanted(one, now)),
      );
      const unknown = tenantIds.filter((id) => !known.has(id));
      const positions = await positionsOfTenants(database.pool, unknown);
      await Promise.all([
        ...[...known].map(([id, one]) =>
          counters.repair(buildLoad(one, now, "", facts.get(id) ?? NO_FACTS, undefined)),
        ),
        ...unknown.map((tenantId) =>
          counters.repair({ ...NOTHING_IN_FORCE, tenantId, seq: positions.get(tenantId) ?? 0 }),
        ),
      ]);
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

const NOT_OBSERVED: Observed = { since: 0, token: "" };
const NOTHING_IN_FORCE = { epoch: "", hasOwnClock: false, counters: [], lost: [] };
const NO_FACTS: TenantFacts = { seq: 0, totals: [], lost: [] };

/** `countersNow`: what this process takes for now may be minutes off. */
export function factsWanted({ tenant, now, inForce, counted }: LimitedTenant, countersNow: number): FactsOf {
  const at = tenant.testClock ?? countersNow;
  const calendar = counted.flatMap(({ meter, window }) => {
    if (meter === null || !isPeriodWindow(window) || SUMMED_FROM[window] !== "CALENDAR_DAY") return [];
    // With the window before: a process whose clock is behind decides in it.
    return [periodOf(window, periodOf(window, at, tenant).start - 1, tenant).start];
  });
  return {
    tenantId: tenant.id,
    now: at,
    periodStart: inForce?.period.start ?? now,
    ...(calendar.length > 0 && { calendarSince: Math.min(...calendar) }),
  };
}

/**
 * A tenant's counters as the database knows them. `lostBefore`: when earlier counters of the tenant were lost at the latest;
 * undefined: it had none.
 */
function buildLoad(
  { tenant, now, counted }: LimitedTenant,
  countersNow: number,
  epoch: string,
  facts: TenantFacts,
  lostBefore: number | undefined,
): TenantLoad {
  const counters = counted.map(
    (key): LoadedCounter => ({
      counter: counterId(key),
      window: counterWindow(key.window, boundsOf(key.window, now, tenant)),
      // A test tenant's time stands still, so that waiting would never end.
      blockedUntil: tenant.testClock === null && lostBefore !== undefined ? blockedUntil(key, lostBefore) : 0,
      usage: usageOf(key, facts, tenant, tenant.testClock ?? countersNow),
    }),
  );
  const hasOwnClock = tenant.testClock !== null;
  return { tenantId: tenant.id, epoch, hasOwnClock, seq: facts.seq, counters, lost: facts.lost };
}

/** A short window may hold admissions from just before the loss, which nobody remembers. */
function blockedUntil({ window }: CounterKey, lostBefore: number): number {
  return isPeriodWindow(window) || outlivesLoss(window) ? 0 : lostBefore + WINDOW_MS[window];
}

/** Usage counts at the last moment at which it can have happened, but not in the future. */
function usageOf(
  { meter, window }: CounterKey,
  { totals }: TenantFacts,
  tenant: WindowsOf,
  now: number,
): readonly LoadedUsage[] {
  if (meter === null) return [];
  if (isPeriodWindow(window))
    return [...totalsOfPeriods(meter, window, totals, tenant)].map(([at, total]) => ({ at, used: amountOf(total) }));
  const usage = totals.filter((total) => total.meter === meter);
  const grain = REBUILT_FROM[window];
  return usage
    .filter((total) => total.grain === grain)
    .map(({ bucketStart, total }) => ({
      at: Math.max(bucketStart, Math.min(latestIn(grain, bucketStart), now)),
      used: amountOf(total),
    }))
    .sort((a, b) => a.at - b.at);
}
