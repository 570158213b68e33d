import { MetrlyError } from "#kernel/errors.js";
import type { Database, Sessions, Transaction } from "#platform/database/database.js";
import { createTransactionSizes } from "#platform/database/transaction-sizes.js";
import type { BatchOutcome, EventLog, LogBatch, LogConsumer } from "#platform/event-log/event-log.js";
import { LogPositionError } from "#platform/event-log/position.js";
import { type OnMalformed, readRecords } from "#platform/event-log/read-records.js";
import { sleep } from "#platform/lifecycle/time.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import { readUsageRecorded } from "#schema/columns/recorded.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { USAGE_RECORDED } from "#schema/topics.js";
import { LEDGER_PAGE_LIMIT, type LedgerClient } from "./client.js";
import { ledgerPages } from "./pages.js";
import { ledgerSteps } from "./steps.js";

/** What `apply` throws to be called again in a transaction without a limit of its length: it has more to read than a batch. */
export class NeedsLongTransaction extends Error {
  constructor() {
    super("this transaction has a limit that was made for batches");
  }
}

/**
 * The table a downstream service keeps its marks in; part of its first migration:
 *
 * CREATE TABLE high_water_mark (
 *   partition   INTEGER PRIMARY KEY,
 *   seq         BIGINT NOT NULL,  -- last ledger entry whose effect is in this database; 0: none
 *   next_offset BIGINT NOT NULL   -- where to read on in usage.recorded; only a hint
 * );
 */
export interface LedgerConsumerOptions<Prepared> {
  readonly log: EventLog;
  readonly group: string;
  readonly database: Database;
  readonly ledger: LedgerClient;
  readonly tenancy: TenancyCopy;
  /**
   * Reads what the effect of these entries needs from elsewhere, with no transaction open. Everything before them is applied,
   * and nothing else changes the partition, or the transaction is fenced. Undefined: they need nothing.
   */
  prepare?(partition: number, entries: readonly LedgerEntry[]): Promise<Prepared | undefined>;
  /**
   * Applies contiguous entries in the transaction that moves the mark: both or neither; it waits for its own database only. May
   * return work to do after the commit (a crash may lose it, so it must be recoverable from the database). Unless `isLong`, it may
   * throw NeedsLongTransaction.
   */
  apply(
    tx: Transaction,
    partition: number,
    entries: readonly LedgerEntry[],
    prepared: Prepared | undefined,
    isLong: boolean,
  ): Promise<(() => Promise<void>) | undefined>;
  /**
   * Another consumer moved the partition's mark since this one last saw it: the work after its commit may be lost, though this
   * consumer holds the partition. Also called once for each partition at first, when nothing was seen yet.
   */
  onMovedElsewhere?(partition: number): void;
  readonly onError: (error: unknown) => void;
  /** The log does not have what it says it has, and the partition is stopped. What it deleted is read from the ledger instead. */
  readonly onHole: (error: LogPositionError) => void;
  /** Called with a record that can't be decoded; its entries are read from the ledger like any other gap. */
  readonly onMalformed: OnMalformed;
  /** Maximum entries per transaction. */
  readonly maxEntries?: number;
}

/**
 * Makes every effect of the ledger exactly-once in one database without Kafka transactions: entries at or below the mark are
 * skipped, a gap is read from the ledger API, and the mark moves by compare-and-swap with the effect. Of two consumers that
 * briefly hold the same partition, one finds the mark moved and does nothing.
 */
export async function startLedgerConsumer<Prepared = never>(
  options: LedgerConsumerOptions<Prepared>,
): Promise<LogConsumer> {
  const maxEntries = options.maxEntries ?? 5_000;
  const sizes = createTransactionSizes(options.database, maxEntries);
  const retry = new AbortController();
  /** The mark of each partition as this consumer left it. */
  const left = new Map<number, number>();
  /** Partitions whose mark need not be read: if another consumer has moved it, the next transaction is fenced. */
  const held = new Set<number>();

  async function markOf(partition: number): Promise<number> {
    const known = left.get(partition);
    if (known !== undefined && held.has(partition)) return known;
    const mark = await readMark(options.database, partition);
    if (mark !== known) options.onMovedElsewhere?.(partition);
    left.set(partition, mark);
    held.add(partition);
    return mark;
  }

  async function onBatch(batch: LogBatch): Promise<BatchOutcome> {
    const { partition } = batch;
    const nextOffset = (batch.records.at(-1)?.offset ?? 0) + 1;
    let mark = await markOf(partition);
    const runs = contiguousRuns(batch, options.onMalformed);
    let isNoted = false;
    for (const run of runs) {
      mark = await fillGap(partition, mark, run.firstSeq);
      const fresh = run.entries.filter((entry) => entry.seq > mark);
      const isLast = run === runs.at(-1);
      mark = await applyAll(partition, mark, fresh, isLast ? nextOffset : 0);
      isNoted = isLast && fresh.length > 0;
    }
    if (!isNoted)
      await options.database.pool.query({
        name: "note-offset",
        text: "UPDATE high_water_mark SET next_offset = $2 WHERE partition = $1 AND next_offset < $2",
        values: [partition, nextOffset],
      });
    return { kind: "continue" };
  }

  async function fillGap(partition: number, from: number, firstSeq: number): Promise<number> {
    let mark = from;
    const gap = { partition, from: mark + 1, to: firstSeq - 1, limit: Math.min(LEDGER_PAGE_LIMIT, maxEntries) };
    for await (const { entries } of ledgerPages(options.ledger, gap)) {
      mark = await applyAll(partition, mark, entries);
      if (retry.signal.aborted) break;
    }
    return mark;
  }

  /** `nextOffset`: where to read on once all of these are applied; 0: not known. */
  async function applyAll(
    partition: number,
    from: number,
    entries: readonly LedgerEntry[],
    nextOffset = 0,
  ): Promise<number> {
    let mark = from;
    let rest = entries;
    while (rest.length > 0) {
      const next = rest.slice(0, sizes.of(partition));
      const version = next.reduce((newest, entry) => Math.max(newest, entry.tenancyVersion), 0);
      await options.tenancy.reached(version, retry.signal);
      const [step = next] = ledgerSteps(next, next.length, options.tenancy.metersOfType);
      const readOn = step.length === rest.length ? nextOffset : 0;
      const applied = await sizes.attempt(partition, step.length, () => applyOnce(partition, mark, step, readOn));
      if (applied === undefined) {
        retry.signal.throwIfAborted();
        continue;
      }
      mark = applied.done;
      rest = rest.slice(step.length);
    }
    return mark;
  }

  async function applyOnce(
    partition: number,
    mark: number,
    entries: readonly LedgerEntry[],
    nextOffset: number,
  ): Promise<number> {
    const last = entries.at(-1);
    if (last === undefined) return mark;
    assertContiguous(partition, mark, entries);
    const prepared = await options.prepare?.(partition, entries);
    const applyIn = (sessions: Sessions, isLong: boolean) =>
      sessions.transaction(async (tx) => {
        const moved = await tx.query({
          name: "move-mark",
          text: "UPDATE high_water_mark SET seq = $3, next_offset = greatest(next_offset, $4) WHERE partition = $1 AND seq = $2",
          values: [partition, mark, last.seq, nextOffset],
        });
        if (moved.rowCount !== 1) return { kind: "fenced" as const };
        const afterCommit = await options.apply(tx, partition, entries, prepared, isLong);
        return { kind: "applied" as const, afterCommit };
      });
    const long = () => applyIn(options.database.under("rebuild"), true);
    // What is large must not fail again and again at a limit that was made for batches.
    const committed = await (prepared !== undefined
      ? long()
      : applyIn(options.database, false).catch((error: unknown) => {
          if (error instanceof NeedsLongTransaction) return long();
          throw error;
        }));
    // As in every takeover: the batch comes again, and continues from the new mark.
    if (committed.kind === "fenced")
      throw new MetrlyError("BUSY", `the mark of partition ${partition} was moved by another consumer`);
    left.set(partition, last.seq);
    await committed.afterCommit?.();
    return last.seq;
  }

  const consumer = await options.log.consume({
    topic: USAGE_RECORDED,
    group: options.group,
    startAt(partition) {
      held.delete(partition);
      return startOffset(options, partition);
    },
    onError: (error) => (error instanceof LogPositionError ? options.onHole(error) : options.onError(error)),
    onBatch: (batch) =>
      onBatch(batch).catch(async (error: unknown) => {
        held.delete(batch.partition);
        // The log redelivers a fenced or failed batch after a backoff, which keeps a fenced consumer from spinning.
        await sleep(200, retry.signal);
        throw error;
      }),
  });

  return {
    assigned: () => consumer.assigned(),
    lastProgressAt: () => consumer.lastProgressAt(),
    async stop() {
      retry.abort();
      await consumer.stop();
    },
  };
}

/** The contiguous entries of a batch, in order; publishing repeats after a takeover, so ranges may overlap. */
function contiguousRuns(batch: LogBatch, onMalformed: OnMalformed): { firstSeq: number; entries: LedgerEntry[] }[] {
  const runs: { firstSeq: number; lastSeq: number; entries: LedgerEntry[] }[] = [];
  for (const { value } of readRecords(batch, readUsageRecorded, onMalformed)) {
    const { firstSeq, lastSeq, entries } = value;
    const open = runs.at(-1);
    if (open !== undefined && open.lastSeq + 1 === firstSeq) {
      open.entries.push(...entries);
      open.lastSeq = lastSeq;
    } else {
      runs.push({ firstSeq, lastSeq, entries: [...entries] });
    }
  }
  return runs;
}

function assertContiguous(partition: number, mark: number, entries: readonly LedgerEntry[]): void {
  for (const [index, entry] of entries.entries()) {
    if (entry.seq !== mark + 1 + index) {
      throw new Error(
        `partition ${partition}: entry ${entry.seq} where ${mark + 1 + index} must come; the ledger is contiguous`,
      );
    }
  }
}

async function readMark(database: Database, partition: number): Promise<number> {
  await database.pool.query(
    "INSERT INTO high_water_mark (partition, seq, next_offset) VALUES ($1, 0, 0) ON CONFLICT DO NOTHING",
    [partition],
  );
  const { rows } = await database.pool.query<{ seq: number }>("SELECT seq FROM high_water_mark WHERE partition = $1", [
    partition,
  ]);
  return rows[0]?.seq ?? 0;
}

/** The stored offset, clamped to the topic's bounds: entries beyond retention are read from the ledger instead. */
async function startOffset(
  options: Pick<LedgerConsumerOptions<never>, "database" | "log">,
  partition: number,
): Promise<number> {
  const { rows } = await options.database.pool.query<{ next_offset: number }>(
    "SELECT next_offset FROM high_water_mark WHERE partition = $1",
    [partition],
  );
  const { first, next } = await options.log.bounds(USAGE_RECORDED, partition);
  const stored = rows[0]?.next_offset ?? 0;
  return stored > next ? first : Math.max(first, stored);
}
