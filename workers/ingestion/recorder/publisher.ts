import type { Clock } from "#kernel/clock.js";
import type { Database } from "#platform/database/database.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import { type Repeat, repeat } from "#platform/lifecycle/repeat.js";
import { USAGE_RECORDED } from "#schema/topics.js";
import type { IngestionMetrics } from "../metrics.js";
import { movePublished, readLedgerBlocks, readPublished, type StoredRange } from "../store/ledger.js";
import { MAX_ENTRIES_PER_SEND, recordsOfBlocks } from "./recorded-records.js";

export interface PublisherOptions {
  readonly database: Database;
  readonly log: EventLog;
  readonly clock: Clock;
  readonly metrics: IngestionMetrics;
  /** Partitions that this process records now; only these are published here. */
  assigned(): readonly number[];
  /** Whether every reader of usage.recorded reads columns. */
  writesColumns(): boolean;
  onError(error: unknown): void;
}

export type Publisher = ReturnType<typeof startPublisher>;

/** Beyond it, waiting entries are dropped from memory and read from the ledger. */
const MAX_WAITING = 10_000;
const POLL_MS = 1_000;
const BACKOFF = { firstMs: 100, longestMs: 5_000 };

interface PartitionState {
  waiting: StoredRange[];
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
    /** New, committed blocks of a partition; none: read the ledger. */
    offer(partition: number, blocks: readonly StoredRange[]): void {
      if (isStopped) return;
      const state = publishing.get(partition) ?? open(partition);
      const next = blocks[0]?.first_seq;
      const last = state.waiting.at(-1)?.last_seq;
      if (countOf(state.waiting) + countOf(blocks) > MAX_WAITING || (last !== undefined && next !== last + 1))
        state.waiting = [];
      else state.waiting.push(...blocks);
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

const countOf = (blocks: readonly StoredRange[]): number =>
  blocks.reduce((sum, { first_seq, last_seq }) => sum + last_seq - first_seq + 1, 0);

/** Publishes the next blocks, at most one send; 0: nothing is left. */
async function publishSome(
  { database, log, metrics, writesColumns }: PublisherOptions,
  partition: number,
  state: PartitionState,
): Promise<number> {
  const published = await readPublished(database, partition);
  const blocks = takeWaiting(state, published) ?? (await readFrom(database, partition, published + 1));
  const last = blocks.at(-1);
  if (last === undefined) return 0;
  await log.append(USAGE_RECORDED, partition, recordsOfBlocks(partition, blocks, writesColumns()));
  metrics.published(countOf(blocks));
  // Another owner moved the cursor meanwhile: entries sent here are duplicates; read the cursor again.
  await movePublished(database, partition, published, last.last_seq);
  return countOf(blocks);
}

/** The blocks in memory from the one with `published + 1` on; undefined: read the ledger instead. */
function takeWaiting(state: PartitionState, published: number): StoredRange[] | undefined {
  const from = state.waiting.findIndex(({ last_seq }) => last_seq > published);
  const first = state.waiting[from];
  if (first === undefined || first.first_seq > published + 1) {
    state.waiting = [];
    return undefined;
  }
  const beyond = state.waiting.findIndex(({ last_seq }) => last_seq - first.first_seq >= MAX_ENTRIES_PER_SEND);
  // A block is not divided: it has fewer.
  return state.waiting.splice(0, beyond === -1 ? state.waiting.length : beyond).slice(from);
}

async function readFrom(database: Database, partition: number, from: number): Promise<readonly StoredRange[]> {
  return (await readLedgerBlocks(database, { partition, from, limit: MAX_ENTRIES_PER_SEND })).blocks;
}
