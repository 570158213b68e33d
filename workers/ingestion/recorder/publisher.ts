import type { Clock } from "#kernel/clock.js";
import type { Database } from "#platform/database/database.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import { type Repeat, repeat } from "#platform/lifecycle/repeat.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { USAGE_RECORDED } from "#schema/topics.js";
import type { IngestionMetrics } from "../metrics.js";
import { movePublished, readLedger, readPublished } from "../store/ledger.js";
import { MAX_ENTRIES_PER_SEND, recordsOf } from "./recorded-records.js";

export interface PublisherOptions {
  readonly database: Database;
  readonly log: EventLog;
  readonly clock: Clock;
  readonly metrics: IngestionMetrics;
  /** Partitions that this process records now; only these are published here. */
  assigned(): readonly number[];
  onError(error: unknown): void;
}

export type Publisher = ReturnType<typeof startPublisher>;

/** Beyond it, waiting entries are dropped from memory and read from the ledger. */
const MAX_WAITING = 10_000;
const POLL_MS = 1_000;
const BACKOFF = { firstMs: 100, longestMs: 5_000 };

interface PartitionState {
  waiting: LedgerEntry[];
  stuckSince: number | undefined;
}

/**
 * Appends the ledger to usage.recorded, one send in flight per partition. Each send starts right after the last position known
 * to be published, so that readers see duplicates after a crash or takeover, but never a gap.
 */
export function startPublisher(options: PublisherOptions) {
  const publishing = new Map<number, PartitionState & { readonly loop: Repeat }>();
  let isStopped = false;

  function open(partition: number) {
    const state: PartitionState = { waiting: [], stuckSince: undefined };
    const loop = repeat({
      everyMs: POLL_MS,
      first: "later",
      backoff: BACKOFF,
      async run() {
        if (!options.assigned().includes(partition)) return;
        const published = await publishSome(options, partition, state);
        state.stuckSince = undefined;
        if (published > 0) loop.kick();
      },
      onError(error) {
        state.stuckSince ??= options.clock.now();
        options.onError(error);
      },
    });
    const opened = Object.assign(state, { loop });
    publishing.set(partition, opened);
    return opened;
  }

  return {
    /** New, committed entries of a partition; empty: read the ledger. */
    offer(partition: number, entries: readonly LedgerEntry[]): void {
      if (isStopped) return;
      const state = publishing.get(partition) ?? open(partition);
      const next = entries[0]?.seq;
      const last = state.waiting.at(-1)?.seq;
      if (state.waiting.length + entries.length > MAX_WAITING || (last !== undefined && next !== last + 1))
        state.waiting = [];
      else state.waiting.push(...entries);
      state.loop.kick();
    },
    /** Since when a partition has had unpublished entries without progress, epoch ms; undefined: all progress. */
    stuckSince(): number | undefined {
      const since = options
        .assigned()
        .flatMap((partition) => publishing.get(partition)?.stuckSince ?? [])
        .sort((a, b) => a - b);
      return since[0];
    },
    /** Finishes running sends. The partition's next owner publishes the rest. */
    async stop(): Promise<void> {
      isStopped = true;
      await Promise.all([...publishing.values()].map(({ loop }) => loop.stop()));
    },
  };
}

/** Publishes the next entries, at most one send; 0: nothing is left. */
async function publishSome(
  { database, log, metrics }: PublisherOptions,
  partition: number,
  state: PartitionState,
): Promise<number> {
  const published = await readPublished(database, partition);
  const entries = takeWaiting(state, published) ?? (await readFrom(database, partition, published + 1));
  const last = entries.at(-1);
  if (last === undefined) return 0;
  await log.append(USAGE_RECORDED, partition, recordsOf(partition, entries));
  metrics.published(entries.length);
  // Another owner moved the cursor meanwhile: entries sent here are duplicates; read the cursor again.
  await movePublished(database, partition, published, last.seq);
  return entries.length;
}

/** The entries in memory from `published + 1` on; undefined: read the ledger instead. */
function takeWaiting(state: PartitionState, published: number): LedgerEntry[] | undefined {
  const from = state.waiting.findIndex((entry) => entry.seq > published);
  if (from === -1 || state.waiting[from]?.seq !== published + 1) {
    state.waiting = [];
    return undefined;
  }
  return state.waiting.splice(0, from + MAX_ENTRIES_PER_SEND).slice(from);
}

async function readFrom(database: Database, partition: number, from: number): Promise<readonly LedgerEntry[]> {
  return (await readLedger(database, { partition, from, limit: MAX_ENTRIES_PER_SEND })).entries;
}
