import { storableText } from "#kernel/storable-text.js";
import type { Database, Transaction } from "#platform/database/database.js";
import type { PartitionBounds } from "#platform/event-log/event-log.js";
import type { Notice } from "../rules/notice.js";
import { announce, type DeliveryRef } from "./notices.js";

export interface PoisonRecord {
  readonly offset: number;
  readonly key: string | undefined;
  readonly value: Buffer;
  readonly error: string;
}

/** The decoded content of one batch of one partition. */
export interface IntakeBatch {
  readonly topic: string;
  readonly partition: number;
  readonly firstOffset: number;
  readonly nextOffset: number;
  readonly notices: readonly Notice[];
  readonly poison: readonly PoisonRecord[];
}

export type IntakeOutcome =
  | { readonly kind: "stored"; readonly notices: readonly Notice[]; readonly planned: readonly DeliveryRef[] }
  /** Fenced: the cursor is not at the start of this batch; read on at `next`. Nothing was stored. */
  | { readonly kind: "fenced"; readonly next: number };

/** Stores a batch: notices, planned deliveries, poison records and the cursor commit together. */
export async function storeIntake(database: Database, batch: IntakeBatch): Promise<IntakeOutcome> {
  return database.transaction(async (tx): Promise<IntakeOutcome> => {
    const moved = await tx.query(
      "UPDATE consumer_cursor SET next_offset = $4 WHERE topic = $1 AND partition = $2 AND next_offset = $3",
      [batch.topic, batch.partition, batch.firstOffset, batch.nextOffset],
    );
    if (moved.rowCount !== 1) return { kind: "fenced", next: await readCursor(tx, batch.topic, batch.partition) };
    await insertPoison(tx, batch);
    return { kind: "stored", ...(await announce(tx, batch.notices)) };
  });
}

type Queries = Pick<Transaction, "query">;

/** Where a partition is read on; undefined: it was never read. */
async function findCursor(queries: Queries, topic: string, partition: number): Promise<number | undefined> {
  const { rows } = await queries.query<{ next_offset: number }>(
    "SELECT next_offset FROM consumer_cursor WHERE topic = $1 AND partition = $2",
    [topic, partition],
  );
  return rows[0]?.next_offset;
}

const readCursor = async (queries: Queries, topic: string, partition: number): Promise<number> =>
  (await findCursor(queries, topic, partition)) ?? 0;

export interface CursorStart {
  readonly next: number;
  /** The stored cursor, when the log does not hold its offset, and what the log holds: [first, next). */
  readonly lost?: { readonly cursor: number; readonly bounds: PartitionBounds };
}

/**
 * Where to read on in a partition. A position outside of the log means that retention overtook the consumer, or that the topic was
 * recreated: reading starts at its beginning, which is safe because notices are stored once per event. The log is asked after
 * the cursor was read: in another order a cursor that another process has moved meanwhile would seem to be beyond the log's end.
 */
export async function startCursor(
  { pool }: Pick<Database, "pool">,
  topic: string,
  partition: number,
  boundsOf: () => Promise<PartitionBounds>,
): Promise<CursorStart> {
  const cursor = await findCursor(pool, topic, partition);
  const bounds = await boundsOf();
  if (cursor !== undefined && cursor >= bounds.first && cursor <= bounds.next) return { next: cursor };
  const { rowCount } = await pool.query(
    cursor === undefined
      ? "INSERT INTO consumer_cursor (topic, partition, next_offset) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
      : "UPDATE consumer_cursor SET next_offset = $3 WHERE topic = $1 AND partition = $2 AND next_offset = $4",
    [topic, partition, bounds.first, ...(cursor === undefined ? [] : [cursor])],
  );
  // Another process was faster.
  if (rowCount !== 1) return { next: await readCursor(pool, topic, partition) };
  return { next: bounds.first, ...(cursor !== undefined && { lost: { cursor, bounds } }) };
}

async function insertPoison(tx: Transaction, batch: IntakeBatch): Promise<void> {
  for (const record of batch.poison) {
    await tx.query(
      `INSERT INTO poison_record (topic, partition, log_offset, key, value, error)
       VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
      [
        batch.topic,
        batch.partition,
        record.offset,
        record.key === undefined ? null : Buffer.from(record.key),
        record.value,
        storableText(record.error),
      ],
    );
  }
}
