import type { Database } from "#platform/database/database.js";
import { deferred } from "#platform/lifecycle/deferred.js";
import { newUuid } from "#platform/lifecycle/random.js";
import { nextTurn } from "#platform/lifecycle/time.js";
import { isPeriodWindow, WINDOW_MS } from "#schema/vocabulary.js";
import {
  CountersUnavailable,
  type LoadedCounter,
  type LoadedScope,
  type LoadedUsage,
  type Observed,
  type QuotaCounters,
  type TenantLoad,
} from "../counters/counters.js";
import { amountOf } from "../rules/amount.js";
import { type CounterKey, claimsOf, counterId, isFamily } from "../rules/limits.js";
import { totalsOfPeriods } from "../rules/period-totals.js";
import { familyOf, MONEY_SCOPE, seriesOf, seriesOfCounter } from "../rules/scopes.js";
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

/** Combinations of a tenant, of those that its requests wait for, loaded together. */
const COMBINATIONS_AT_ONCE = 500;

export function createCounterLoader({ counters, database, limits, freshness }: LoaderOptions) {
  const extending = new Map<string, Extending>();
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

  async function extendTogether(tenantId: string, ids: readonly string[]): Promise<void> {
    const [limited] = limitedOf([tenantId]);
    if (limited === undefined) return;
    const now = await clockOf(limited);
    const wanted = ids.flatMap((id) => memberOf(limited, id) ?? []);
    const facts = (await readFacts(database, [extensionWanted(limited, now, wanted)])).get(tenantId) ?? NO_FACTS;
    const { tenant } = limited;
    const at = tenant.testClock ?? now;
    await counters.extend({
      tenantId,
      seq: facts.seq,
      scopes: scopesOf(limited, facts),
      counters: wanted
        .filter(({ key }) => key.meter !== null)
        .map(({ id, key }) => ({
          counter: id,
          window: counterWindow(key.window, boundsOf(key.window, limited.now, tenant)),
          usage: usageOf(key, seriesOfCounter(id), facts, tenant, at),
          recorded: facts.recorded.has(seriesOfCounter(id)),
        })),
    });
  }

  const clockOf = ({ tenant, now }: LimitedTenant): Promise<number> =>
    tenant.testClock === null ? counters.now() : Promise.resolve(now);

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
    /**
     * Adds counters of single combinations to a tenant that is loaded, unless a settlement comes between: then they are still
     * missing. Those that requests of a tenant wait for are read together.
     */
    extend(tenantId: string, missing: readonly string[]): Promise<void> {
      const one = extending.get(tenantId) ?? { wanted: new Set<string>(), next: undefined, running: Promise.resolve() };
      extending.set(tenantId, one);
      for (const id of missing) one.wanted.add(id);
      if (one.next === undefined) {
        const next = one.running.then(async () => {
          await new Promise<void>(nextTurn);
          const ids = [...one.wanted].slice(0, COMBINATIONS_AT_ONCE);
          for (const id of ids) one.wanted.delete(id);
          one.next = undefined;
          await extendTogether(tenantId, ids);
        });
        one.next = next;
        one.running = next.then(nothing, nothing).then(() => {
          if (one.next === undefined) extending.delete(tenantId);
        });
      }
      return one.next;
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

/** Combinations that requests of a tenant wait for. */
interface Extending {
  readonly wanted: Set<string>;
  /** The reading that has not begun. */
  next: Promise<void> | undefined;
  running: Promise<void>;
}

const nothing = (): void => undefined;

interface Waiting {
  readonly tenantId: string;
  readonly done: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const NOT_OBSERVED: Observed = { since: 0, token: "" };
const NOTHING_IN_FORCE = { epoch: "", hasOwnClock: false, counters: [], lost: [] };
const NO_FACTS: TenantFacts = {
  seq: 0,
  totals: new Map(),
  claimed: new Map(),
  lost: [],
  recorded: new Set(),
  combinations: new Map(),
};

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
    series: counted.flatMap(({ meter, scope }) =>
      meter === null || scope === undefined || scope.by.length > 0 ? [] : [seriesOf(meter, scope)],
    ),
    claims: claimsOf(counted),
    scopes: counted.flatMap(({ meter, scope }) =>
      meter === null || scope === undefined || scope.by.length === 0 ? [] : [seriesOf(meter, scope)],
    ),
  };
}

interface Member {
  readonly id: string;
  readonly key: CounterKey;
}

/** The combination's counter with this id; undefined: no limit counts by it any more. */
function memberOf({ counted }: LimitedTenant, id: string): Member | undefined {
  const family = familyOf(id);
  const key = counted.find((one) => isFamily(one) && counterId(one) === family);
  return key && { id, key };
}

function extensionWanted(limited: LimitedTenant, now: number, members: readonly Member[]): FactsOf {
  const series = members.flatMap(({ id, key }) => (key.meter === null ? [] : [seriesOfCounter(id)]));
  return { ...factsWanted(limited, now), series: [...new Set(series)], claims: [], isExtension: true };
}

/** Of every limit that counts by them, also of requests. */
function scopesOf(
  { counted, inForce, later, now }: LimitedTenant,
  { combinations }: TenantFacts,
): readonly LoadedScope[] {
  const found = new Map<string, LoadedScope>();
  for (const { meter, scope } of counted) {
    if (scope === undefined) continue;
    const key = seriesOf(meter ?? "", scope);
    const { by, where, except } = scope;
    found.set(key, {
      key,
      by,
      where,
      ...(except && { except }),
      period: inForce?.period.start ?? now,
      recorded: combinations.get(key) ?? 0,
    });
  }
  // No process that does not know limits in money may open the state.
  if ([inForce, ...later.map((one) => one.inForce)].some((one) => one?.limits.some(({ money }) => money !== undefined)))
    found.set(MONEY_SCOPE, {
      ...{ key: MONEY_SCOPE, by: [], where: [], period: inForce?.period.start ?? now, recorded: 0 },
    });
  return [...found.values()];
}

/**
 * A tenant's counters as the database knows them. `lostBefore`: when earlier counters of the tenant were lost at the latest;
 * undefined: it had none.
 */
function buildLoad(
  limited: LimitedTenant,
  countersNow: number,
  epoch: string,
  facts: TenantFacts,
  lostBefore: number | undefined,
): TenantLoad {
  const { tenant, now, counted } = limited;
  const isLost = tenant.testClock === null && lostBefore !== undefined;
  // Of single combinations nothing is read before somebody asks.
  const single = counted.filter((key) => !isFamily(key));
  const counters = single.map(
    (key): LoadedCounter => ({
      counter: counterId(key),
      window: counterWindow(key.window, boundsOf(key.window, now, tenant)),
      // A test tenant's time stands still, so that waiting would never end.
      blockedUntil: isLost ? blockedUntil(key, lostBefore) : 0,
      usage: usageOf(key, seriesOf(key.meter ?? "", key.scope), facts, tenant, tenant.testClock ?? countersNow),
    }),
  );
  const hasOwnClock = tenant.testClock !== null;
  const scopes = scopesOf(limited, facts);
  return {
    ...{ tenantId: tenant.id, epoch, hasOwnClock, seq: facts.seq, counters, lost: facts.lost },
    ...(scopes.length > 0 && { scopes }),
    ...(isLost && { lostBefore }),
  };
}

/** A short window may hold admissions from just before the loss, which nobody remembers. */
function blockedUntil({ window }: CounterKey, lostBefore: number): number {
  return isPeriodWindow(window) || outlivesLoss(window) ? 0 : lostBefore + WINDOW_MS[window];
}

/** Usage counts at the last moment at which it can have happened, but not in the future. */
function usageOf(
  { meter, window }: CounterKey,
  series: string,
  facts: TenantFacts,
  tenant: WindowsOf,
  now: number,
): readonly LoadedUsage[] {
  if (meter === null) return [];
  if (isPeriodWindow(window))
    return [...totalsOfPeriods(series, window, facts, tenant)].map(([at, total]) => ({ at, used: amountOf(total) }));
  const grain = REBUILT_FROM[window];
  return (facts.totals.get(series) ?? [])
    .filter((total) => total.grain === grain)
    .map(({ bucketStart, total }) => ({
      at: Math.max(bucketStart, Math.min(latestIn(grain, bucketStart), now)),
      used: amountOf(total),
    }))
    .sort((a, b) => a.at - b.at);
}
