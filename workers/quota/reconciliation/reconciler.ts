import { repeat } from "#platform/lifecycle/repeat.js";
import { CountersUnavailable, type QuotaCounters } from "../counters/counters.js";
import type { Freshness } from "../gate/freshness.js";
import type { QuotaMetrics } from "../metrics.js";
import { DatabaseUnreachable } from "../store/unreachable.js";

export interface ReconcilerOptions {
  readonly counters: Pick<QuotaCounters, "now">;
  readonly freshness: Freshness;
  readonly metrics: Pick<QuotaMetrics, "repaired">;
  /** Brings the counters of tenants up to the database, by the ledger. */
  catchUp(tenantIds: readonly string[]): Promise<void>;
  /** The same without the ledger: reservations that were settled stay until they end. */
  repair(tenantIds: readonly string[]): Promise<void>;
  /** Partitions that this process consumes now. */
  assigned(): readonly number[];
  readonly onError: (error: unknown) => void;
  readonly intervalMs?: number;
}

const INTERVAL_MS = 1_000;
/** What is settled during a round may be missed again: a round follows at once, so often. */
const ROUNDS = 10;
/** For so long tenants wait for a ledger that does not answer. */
const PATIENCE_MS = 30_000;

/**
 * Brings counters up to recorded usage, without waiting for an event: of tenants that missed a settlement, here or in another
 * process, in partitions just taken over, whose last owner may have died between commit and settlement, and of all after the
 * counters did not answer. Several processes may repair a tenant at the same time: each settlement counts once.
 */
export function startReconciler(options: ReconcilerOptions) {
  const { counters, freshness, metrics } = options;

  let didAnswer = true;

  async function run(stopping: AbortSignal): Promise<void> {
    // That they did not answer is noticed although nobody asks.
    const answers = await counters.now().then(
      () => true,
      () => false,
    );
    await freshness.comparePartitions(options.assigned(), answers && !didAnswer);
    didAnswer = answers;
    for (let round = 0; round < ROUNDS && !stopping.aborted; round += 1) {
      const behind = freshness.behind();
      if (behind.length === 0) return;
      const { late } = await freshness.compare(behind);
      if (late.length === 0) return;
      await repeatOrRepair(late);
      await freshness.compare(late);
      const still = new Set(freshness.behind());
      for (const tenantId of late) if (!still.has(tenantId)) metrics.repaired();
    }
  }

  async function repeatOrRepair(tenantIds: readonly string[]): Promise<void> {
    try {
      await options.catchUp(tenantIds);
    } catch (error) {
      if (isUnreachable(error) || freshness.behindForMs() < PATIENCE_MS) throw error;
      options.onError(error);
      await options.repair(tenantIds);
    }
  }

  /** Retried at the next turn, for as long as the counters or the database do not answer. */
  function ignoreUnreachable(error: unknown): void {
    if (!isUnreachable(error)) options.onError(error);
  }

  const rounds = repeat({
    everyMs: options.intervalMs ?? INTERVAL_MS,
    first: "later",
    run,
    onError(error) {
      freshness.giveUp();
      ignoreUnreachable(error);
    },
  });
  /** Beside the rounds, which may be busy with a long ledger. */
  const looking = repeat({
    everyMs: options.intervalMs ?? INTERVAL_MS,
    first: "later",
    async run() {
      const missing = await freshness.lookElsewhere(options.assigned());
      if (missing.length > 0) rounds.kick();
    },
    onError: ignoreUnreachable,
  });
  return {
    /** A tenant whose counters are known to lag its recorded usage. */
    behind(tenantId: string): void {
      freshness.mark(tenantId);
      rounds.kick();
    },
    /** Repairs a tenant that is behind; resolves when it is not any more, or when that takes too long or does not work. */
    async repaired(tenantId: string): Promise<void> {
      await freshness.caughtUp(tenantId, rounds.kick);
    },
    async stop(): Promise<void> {
      freshness.giveUp();
      await Promise.all([looking.stop(), rounds.stop()]);
    },
  };
}

const isUnreachable = (error: unknown): boolean =>
  error instanceof CountersUnavailable || error instanceof DatabaseUnreachable;
