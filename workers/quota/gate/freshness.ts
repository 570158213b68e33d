import type { Database } from "#platform/database/database.js";
import { type Deferred, deferred } from "#platform/lifecycle/deferred.js";
import { after, monotonicMs, nextTurn, sleep, type Timer } from "#platform/lifecycle/time.js";
import { CountersUnavailable, type QuotaCounters } from "../counters/counters.js";
import { positionsOfTenants } from "../store/loading.js";
import type { QuotaStore } from "../store/store.js";

export type Freshness = ReturnType<typeof createFreshness>;

export interface FreshnessOptions {
  readonly counters: QuotaCounters;
  readonly database: Database;
  readonly store: QuotaStore;
  readonly partitionOf: (tenantId: string) => number;
}

const TENANTS_AT_ONCE = 500;
/** A settlement under way looks like a missing one: for so long it is given time. */
const ATTEMPTS = 4;
const PAUSE_MS = 25;
/** How old the usage may be that a decision is made on, where another process settles. */
const TRUST_MS = 3_000;
/** A settlement that the counters lack for so long is missing: its process may have died. */
const MISSING_MS = 2_000;
/**
 * For so long after a tenant was found behind, requests wait for it to be caught up; later ones are told at once. Well below what
 * clients wait for a response: one without any may be allowed.
 */
const PATIENCE_MS = 400;
/** Tenants are looked at for so long after they were asked about, and so many in a turn; others when they are asked about. */
const LOOKED_AT_MS = 10_000;
const LOOKED_AT_MOST = 10_000;

interface Behind {
  readonly sinceMs: number;
  /** Rises with each sign that the tenant is behind. */
  readonly signs: number;
}

interface Wait extends Deferred<void> {
  readonly timer: Timer;
}

/** What is known of a tenant's counters. */
interface Known {
  /** They hold all usage that the database had at this monotonic time; Infinity: this process settles it, and would know. */
  soundAt: number;
  /** The position that the database had at `at`, and the counters not yet. */
  awaited: { readonly seq: number; readonly at: number } | undefined;
  askedAt: number;
}

/** The tenants of a comparison that are not as they should be. */
interface Compared {
  /** Their counters lack usage. */
  readonly late: readonly string[];
  /** Their counters do not answer, others' do. */
  readonly unanswered: readonly string[];
}

/**
 * What this process knows about whether counters hold all recorded usage. In the partitions that it settles, a tenant is trusted
 * until a settlement of it is missed. Elsewhere the process that settles may die before it does: there, counters are compared
 * with the database while they are asked about, and trusted if they hold what it had a few seconds ago.
 */
export function createFreshness({ counters, database, store, partitionOf }: FreshnessOptions) {
  const behind = new Map<string, Behind>();
  const known = new Map<string, Known>();
  /** What waits for tenants that are behind. */
  const waits = new Map<string, Wait>();
  let comparedPartitions = new Set<number>();
  /** How often another process was seen to settle in a partition, so that a comparison from before does not count. */
  const intrusions = new Map<number, number>();
  /** Rises when what was compared before no longer tells anything. */
  let era = 0;
  let waiting: { readonly tenantIds: Set<string>; readonly done: Promise<ReadonlySet<string>> } | undefined;
  let looking: Promise<unknown> = Promise.resolve();

  function mark(tenantId: string): void {
    const before = behind.get(tenantId);
    behind.set(tenantId, { sinceMs: before?.sinceMs ?? monotonicMs(), signs: (before?.signs ?? 0) + 1 });
  }

  function endWait(tenantId: string): void {
    const wait = waits.get(tenantId);
    waits.delete(tenantId);
    wait?.timer.cancel();
    wait?.resolve();
  }

  const isSettledHere = (tenantId: string): boolean => comparedPartitions.has(partitionOf(tenantId));

  function isFresh(tenantId: string): boolean {
    const one = known.get(tenantId);
    if (one === undefined || behind.has(tenantId)) return false;
    const now = monotonicMs();
    one.askedAt = now;
    return now - one.soundAt < TRUST_MS;
  }

  /** The database had `needed` at this moment, and the counters have `held` now; undefined: they are not loaded. */
  function learn(tenantId: string, at: number, needed: number, held: number | undefined): void {
    const one = known.get(tenantId) ?? { soundAt: Number.NEGATIVE_INFINITY, awaited: undefined, askedAt: at };
    known.set(tenantId, one);
    if (held === undefined || held >= needed) {
      one.soundAt = Math.max(one.soundAt, at);
      one.awaited = undefined;
    } else if (one.awaited === undefined) {
      one.awaited = { seq: needed, at };
    } else if (held >= one.awaited.seq) {
      one.soundAt = Math.max(one.soundAt, one.awaited.at);
      one.awaited = { seq: needed, at };
    }
  }

  /** Compares tenants once; returns those whose counters do not answer. Throws when none do. */
  async function look(tenantIds: readonly string[]): Promise<ReadonlySet<string>> {
    const unanswered = new Set<string>();
    for (let from = 0; from < tenantIds.length; from += TENANTS_AT_ONCE) {
      const some = tenantIds.slice(from, from + TENANTS_AT_ONCE);
      const [began, at] = [era, monotonicMs()];
      const needed = await positionsOfTenants(database.pool, some);
      const held = await positionsOf(counters, some);
      for (const [index, tenantId] of some.entries()) {
        const position = held[index];
        if (position instanceof CountersUnavailable) unanswered.add(tenantId);
        else if (era === began) learn(tenantId, at, needed.get(tenantId) ?? 0, position);
      }
    }
    return unanswered;
  }

  /** One look at a time: tenants that come meanwhile share the next. */
  function lookTogether(tenantId: string): Promise<ReadonlySet<string>> {
    if (waiting === undefined) {
      const tenantIds = new Set<string>();
      const done = looking
        .then(() => new Promise<void>(nextTurn))
        .then(() => {
          waiting = undefined;
          return look([...tenantIds]);
        });
      looking = done.catch(() => undefined);
      waiting = { tenantIds, done };
    }
    waiting.tenantIds.add(tenantId);
    return waiting.done;
  }

  /** Which of these tenants' counters lack usage that the database had when this was called. */
  async function lookAgain(tenantIds: readonly string[]): Promise<Compared> {
    const needed = await positionsOfTenants(database.pool, tenantIds);
    const unanswered = new Set<string>();
    let left = tenantIds;
    for (let attempt = 0; attempt < ATTEMPTS && left.length > 0; attempt += 1) {
      if (attempt > 0) await sleep(PAUSE_MS);
      const held = await positionsOf(counters, left);
      const late: string[] = [];
      for (const [index, tenantId] of left.entries()) {
        const position = held[index];
        if (position instanceof CountersUnavailable) unanswered.add(tenantId);
        else if (position !== undefined && position < (needed.get(tenantId) ?? 0)) late.push(tenantId);
      }
      left = late;
    }
    return { late: left, unanswered: [...unanswered] };
  }

  /** Compares tenants and remembers the result. Throws when no counters answer. */
  async function compare(tenantIds: readonly string[]): Promise<Compared> {
    const all = { late: [] as string[], unanswered: [] as string[] };
    for (let from = 0; from < tenantIds.length; from += TENANTS_AT_ONCE) {
      const some = tenantIds.slice(from, from + TENANTS_AT_ONCE);
      const [began, at] = [era, monotonicMs()];
      const signs = new Map(some.map((id) => [id, behind.get(id)?.signs]));
      const { late, unanswered } = await lookAgain(some);
      const [isLate, isUnanswered] = [new Set(late), new Set(unanswered)];
      for (const tenantId of some) {
        if (isUnanswered.has(tenantId)) continue;
        if (isLate.has(tenantId)) mark(tenantId);
        else if (behind.get(tenantId)?.signs === signs.get(tenantId)) {
          behind.delete(tenantId);
          endWait(tenantId);
        }
        if (era === began && !isLate.has(tenantId)) learn(tenantId, at, 0, undefined);
      }
      all.late.push(...late);
      all.unanswered.push(...unanswered);
    }
    return all;
  }

  /** Of these partitions others are settled elsewhere from now on. */
  function settlesOnly(partitions: readonly number[]): void {
    const before = comparedPartitions;
    comparedPartitions = new Set(partitions.filter((partition) => before.has(partition)));
    if (comparedPartitions.size === before.size) return;
    for (const tenantId of known.keys()) if (!isSettledHere(tenantId)) known.delete(tenantId);
  }

  return {
    /** Whether it is known that the counters hold all usage that they must. */
    isFresh,
    /** The same, where it is not known: compares the tenant first if it must be. Tenants that wait share a comparison. */
    async confirm(tenantId: string): Promise<boolean> {
      if (isSettledHere(tenantId)) {
        known.set(tenantId, { soundAt: Number.POSITIVE_INFINITY, awaited: undefined, askedAt: monotonicMs() });
        return !behind.has(tenantId);
      }
      for (let attempt = 0; attempt < ATTEMPTS && !behind.has(tenantId); attempt += 1) {
        if (attempt > 0) await sleep(PAUSE_MS);
        const unanswered = await lookTogether(tenantId);
        if (unanswered.has(tenantId)) throw new CountersUnavailable("the tenant's counters do not answer");
        if (isFresh(tenantId)) return true;
      }
      if (!behind.has(tenantId)) mark(tenantId);
      return false;
    },
    compare,
    /**
     * Resolves when the tenant is no longer behind, when it was for long, or when it was given up for now; undefined: it is not
     * behind, or was for long already. `onWait`: called for the first that waits.
     */
    caughtUp(tenantId: string, onWait: () => void): Promise<void> | undefined {
      const { sinceMs } = behind.get(tenantId) ?? {};
      const left = sinceMs === undefined ? 0 : sinceMs + PATIENCE_MS - monotonicMs();
      if (left <= 0) return undefined;
      let wait = waits.get(tenantId);
      if (wait === undefined) {
        wait = { ...deferred(), timer: after(left, () => endWait(tenantId)) };
        waits.set(tenantId, wait);
        onWait();
      }
      return wait.promise;
    },
    /** Nobody waits any longer for those that are behind. */
    giveUp(): void {
      for (const tenantId of [...waits.keys()]) endWait(tenantId);
    },
    /**
     * Looks at tenants that were asked about and that other processes settle; returns those that miss a settlement.
     * `partitions`: those that this process settles.
     */
    async lookElsewhere(partitions: readonly number[]): Promise<readonly string[]> {
      settlesOnly(partitions);
      const before = monotonicMs() - LOOKED_AT_MS;
      const asked: string[] = [];
      for (const [tenantId, { askedAt }] of known) {
        if (askedAt < before) known.delete(tenantId);
        else if (asked.length < LOOKED_AT_MOST && !isSettledHere(tenantId) && !behind.has(tenantId))
          asked.push(tenantId);
      }
      await look(asked);
      const now = monotonicMs();
      const missing = asked.filter((tenantId) => now - (known.get(tenantId)?.awaited?.at ?? now) >= MISSING_MS);
      for (const tenantId of missing) mark(tenantId);
      return missing;
    },
    /** Compares all tenants of partitions that this process has taken over; `again`: of all partitions. */
    async comparePartitions(partitions: readonly number[], again: boolean): Promise<void> {
      settlesOnly(partitions);
      for (const partition of partitions) {
        if (comparedPartitions.has(partition) && !again) continue;
        const before = intrusions.get(partition);
        const { unanswered } = await compare([...(await store.positionsOf(partition)).keys()]);
        // They may be: so they are looked at until they answer.
        for (const tenantId of unanswered) mark(tenantId);
        if (intrusions.get(partition) === before) comparedPartitions.add(partition);
      }
    },
    /**
     * Another process moved the mark of a partition that this one holds, and may have died before it settled: its tenants are
     * as if settled elsewhere until they are compared again.
     */
    intruded(partition: number): void {
      intrusions.set(partition, (intrusions.get(partition) ?? 0) + 1);
      comparedPartitions.delete(partition);
      for (const tenantId of known.keys()) if (partitionOf(tenantId) === partition) known.delete(tenantId);
    },
    /** A settlement of the tenant was missed. */
    mark,
    /** The counters of this tenant, or of nobody knows whom, did not answer: another process may have settled in vain. */
    forget(tenantId: string | undefined): void {
      if (tenantId !== undefined) {
        known.delete(tenantId);
        return;
      }
      era += 1;
      known.clear();
    },
    behind: (): readonly string[] => [...behind.keys()],
    /** How long the tenant that is behind for longest has been, ms; 0: none is. */
    behindForMs(): number {
      let longest = 0;
      const now = monotonicMs();
      for (const { sinceMs } of behind.values()) longest = Math.max(longest, now - sinceMs);
      return longest;
    },
  };
}

/** Where only some counters answer, each tenant's answer or failure. Throws when none does. */
async function positionsOf(
  counters: Pick<QuotaCounters, "positions">,
  tenantIds: readonly string[],
): Promise<readonly (number | undefined | CountersUnavailable)[]> {
  try {
    return await counters.positions(tenantIds);
  } catch (error) {
    if (!(error instanceof CountersUnavailable) || tenantIds.length === 1) throw error;
    const each = await Promise.all(
      tenantIds.map((tenantId) =>
        counters.positions([tenantId]).then(
          ([position]) => position,
          (failure: unknown) => {
            if (failure instanceof CountersUnavailable) return failure;
            throw failure;
          },
        ),
      ),
    );
    if (each.every((one) => one instanceof CountersUnavailable)) throw error;
    return each;
  }
}
