import type { Database } from "#platform/database/database.js";
import { monotonicMs, nextTurn, sleep } from "#platform/lifecycle/time.js";
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

interface Behind {
  readonly sinceMs: number;
  /** Rises with each sign that the tenant is behind. */
  readonly signs: number;
}

/** The tenants of a comparison that are not as they should be. */
interface Compared {
  /** Their counters lack usage. */
  readonly late: readonly string[];
  /** Their counters do not answer, others' do. */
  readonly unanswered: readonly string[];
}

/**
 * What this process knows about whether counters hold all recorded usage. A tenant is compared with the database once and then
 * trusted: until a settlement of it is missed, in the partitions that this process settles; elsewhere, until the counters did
 * not answer.
 */
export function createFreshness({ counters, database, store, partitionOf }: FreshnessOptions) {
  const behind = new Map<string, Behind>();
  const compared = new Set<string>();
  let comparedPartitions = new Set<number>();
  /** Rises when what was compared before no longer tells anything. */
  let era = 0;
  let waiting: { readonly tenantIds: Set<string>; readonly done: Promise<Compared> } | undefined;

  function mark(tenantId: string): void {
    const before = behind.get(tenantId);
    behind.set(tenantId, { sinceMs: before?.sinceMs ?? monotonicMs(), signs: (before?.signs ?? 0) + 1 });
  }

  /** Which of these tenants' counters lack usage that the database had when this was called. */
  async function lookAt(tenantIds: readonly string[]): Promise<Compared> {
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
    for (let at = 0; at < tenantIds.length; at += TENANTS_AT_ONCE) {
      const some = tenantIds.slice(at, at + TENANTS_AT_ONCE);
      const began = era;
      const signs = new Map(some.map((id) => [id, behind.get(id)?.signs]));
      const { late, unanswered } = await lookAt(some);
      const [isLate, isUnanswered] = [new Set(late), new Set(unanswered)];
      for (const tenantId of some) {
        if (isUnanswered.has(tenantId)) continue;
        if (isLate.has(tenantId)) mark(tenantId);
        else if (behind.get(tenantId)?.signs === signs.get(tenantId)) behind.delete(tenantId);
        if (era === began) compared.add(tenantId);
      }
      all.late.push(...late);
      all.unanswered.push(...unanswered);
    }
    return all;
  }

  const isFresh = (tenantId: string): boolean => compared.has(tenantId) && !behind.has(tenantId);

  return {
    isFresh,
    /** Compares the tenant first if it must be; tenants that arrive in one turn of the event loop share it. */
    async confirm(tenantId: string): Promise<boolean> {
      if (comparedPartitions.has(partitionOf(tenantId))) compared.add(tenantId);
      if (compared.has(tenantId)) return !behind.has(tenantId);
      if (waiting === undefined) {
        const tenantIds = new Set<string>();
        const done = new Promise<void>(nextTurn).then(() => {
          waiting = undefined;
          return compare([...tenantIds]);
        });
        waiting = { tenantIds, done };
      }
      waiting.tenantIds.add(tenantId);
      const { late, unanswered } = await waiting.done;
      if (unanswered.includes(tenantId)) throw new CountersUnavailable("the tenant's counters do not answer");
      return !late.includes(tenantId) && !behind.has(tenantId);
    },
    compare,
    /** Compares all tenants of partitions that this process has taken over; `again`: of all partitions. */
    async comparePartitions(partitions: readonly number[], again: boolean): Promise<void> {
      comparedPartitions = new Set(partitions.filter((partition) => comparedPartitions.has(partition)));
      for (const partition of partitions) {
        if (comparedPartitions.has(partition) && !again) continue;
        const { unanswered } = await compare([...(await store.positionsOf(partition)).keys()]);
        // They may be: so they are looked at until they answer.
        for (const tenantId of unanswered) mark(tenantId);
        comparedPartitions.add(partition);
      }
    },
    /** A settlement of the tenant was missed. */
    mark,
    /** The counters of this tenant, or of nobody knows whom, did not answer: another process may have settled in vain. */
    forget(tenantId: string | undefined): void {
      if (tenantId !== undefined) {
        compared.delete(tenantId);
        return;
      }
      era += 1;
      compared.clear();
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
