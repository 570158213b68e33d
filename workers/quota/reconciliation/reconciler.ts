import { repeat } from "#platform/lifecycle/repeat.js";
import { CountersUnavailable, type QuotaCounters } from "../counters/counters.js";
import type { CounterLoader } from "../gate/loader.js";
import type { QuotaMetrics } from "../metrics.js";
import type { QuotaStore } from "../store/store.js";

export interface ReconcilerOptions {
  readonly store: QuotaStore;
  readonly counters: QuotaCounters;
  readonly loader: CounterLoader;
  readonly metrics: QuotaMetrics;
  /** Partitions that this process consumes now. */
  assigned(): readonly number[];
  readonly onError: (error: unknown) => void;
  readonly intervalMs?: number;
}

const INTERVAL_MS = 1_000;
const TENANTS_AT_ONCE = 500;

/**
 * Brings counters up to recorded usage: in partitions just taken over, whose last owner may have died between commit and
 * settlement, and for tenants that missed a settlement.
 */
export function startReconciler(options: ReconcilerOptions) {
  const { store, counters, loader, metrics } = options;
  const waiting = new Set<string>();
  let checked: ReadonlySet<number> = new Set();

  async function findBehind(partition: number): Promise<void> {
    const positions = [...(await store.positionsOf(partition))];
    for (let at = 0; at < positions.length; at += TENANTS_AT_ONCE) {
      const some = positions.slice(at, at + TENANTS_AT_ONCE);
      const held = await counters.positions(some.map(([tenantId]) => tenantId));
      for (const [index, [tenantId, seq]] of some.entries()) {
        const position = held[index];
        if (position !== undefined && position < seq) waiting.add(tenantId);
      }
    }
  }

  async function run(): Promise<void> {
    const assigned = options.assigned();
    const fresh = assigned.filter((partition) => !checked.has(partition));
    for (const partition of fresh) await findBehind(partition);
    checked = new Set(assigned);
    for (const tenantId of [...waiting]) {
      waiting.delete(tenantId);
      try {
        await loader.repair(tenantId);
        metrics.repaired();
      } catch (error) {
        waiting.add(tenantId);
        throw error;
      }
    }
  }

  const rounds = repeat({
    everyMs: options.intervalMs ?? INTERVAL_MS,
    first: "later",
    run,
    // Retried at the next turn, for as long as the counters or the database do not answer.
    onError(error) {
      if (!(error instanceof CountersUnavailable)) options.onError(error);
    },
  });
  return {
    /** A tenant whose counters are known to lag its recorded usage. */
    behind: (tenantId: string) => void waiting.add(tenantId),
    stop: rounds.stop,
  };
}
