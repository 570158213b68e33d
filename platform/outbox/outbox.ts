import type { Database, Transaction } from "#platform/database/database.js";
import { holdLock } from "#platform/database/held-lock.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import { type Repeat, repeat } from "#platform/lifecycle/repeat.js";
import { nowMs } from "#platform/lifecycle/time.js";
import type { Topic } from "#schema/topics.js";

/**
 * The outbox table; part of a publishing service's first migration:
 *
 * CREATE TABLE outbox (
 *   id         BIGSERIAL PRIMARY KEY,
 *   topic      TEXT NOT NULL,
 *   partition  INTEGER NOT NULL,
 *   key        TEXT NOT NULL,
 *   value      TEXT NOT NULL,
 *   created_at TIMESTAMPTZ NOT NULL DEFAULT now()
 * );
 */
export interface OutboxRow {
  readonly topic: Topic;
  readonly partition: number;
  readonly key: string;
  /** JSON text of the event. */
  readonly value: string;
}

/** Adds events to the transaction: they are published if and only if it commits. */
export async function enqueueOutbox(tx: Transaction, rows: readonly OutboxRow[]): Promise<void> {
  if (rows.length === 0) return;
  await tx.query(
    `INSERT INTO outbox (topic, partition, key, value)
     SELECT * FROM unnest($1::text[], $2::int[], $3::text[], $4::text[])`,
    [rows.map((r) => r.topic.name), rows.map((r) => r.partition), rows.map((r) => r.key), rows.map((r) => r.value)],
  );
}

/** `kick` publishes committed events now, without waiting for the next poll. */
export interface OutboxRelay extends Repeat {
  /** Since when publishing has been failing, epoch ms; undefined: the last attempt succeeded. */
  failingSince(): number | undefined;
}

export interface OutboxRelayOptions {
  readonly database: Database;
  readonly log: EventLog;
  readonly topics: readonly Topic[];
  readonly onError: (error: unknown) => void;
  readonly pollMs?: number;
}

const STUCK_MS = 30_000;

/** Whether publishing has failed for so long that the service is not ready. */
export function isStuck(relay: Pick<OutboxRelay, "failingSince">): boolean {
  const since = relay.failingSince();
  return since !== undefined && nowMs() - since > STUCK_MS;
}

const BATCH = 500;
/** Key of the advisory lock: one relay per database publishes at a time. */
const RELAY_LOCK = 7_245_110_031;

/**
 * Publishes committed outbox rows in id order and deletes them once the log has them; no transaction is open while the log is
 * asked. A crash in between publishes again: readers deduplicate by event id. Relays on one database take turns by a held lock.
 * One that lost it while frozen repeats at most rows that the next relay has sent before any newer one.
 */
export function startOutboxRelay(options: OutboxRelayOptions): OutboxRelay {
  const topics = new Map(options.topics.map((topic) => [topic.name, topic]));
  let failingSince: number | undefined;
  const relay = repeat({
    everyMs: options.pollMs ?? 500,
    async run(stopping) {
      try {
        await publishAll(options, topics, stopping);
        failingSince = undefined;
      } catch (error) {
        failingSince ??= nowMs();
        throw error;
      }
    },
    onError: options.onError,
  });
  return { ...relay, failingSince: () => failingSince };
}

type Topics = ReadonlyMap<string, Topic>;

async function publishAll(options: OutboxRelayOptions, topics: Topics, stopping: AbortSignal): Promise<void> {
  if ((await oldestRows(options, 1)).length === 0) return;
  const lock = await holdLock(options.database, RELAY_LOCK);
  if (lock === undefined) return;
  try {
    let published = BATCH;
    while (!stopping.aborted && published === BATCH) {
      lock.assertHeld();
      published = await publishSome(options, topics);
    }
  } finally {
    await lock.release();
  }
}

interface Row {
  readonly id: number;
  readonly topic: string;
  readonly partition: number;
  readonly key: string;
  readonly value: string;
}

async function oldestRows({ database }: OutboxRelayOptions, limit: number): Promise<readonly Row[]> {
  const { rows } = await database.pool.query<Row>({
    name: "outbox-oldest",
    text: "SELECT id, topic, partition, key, value FROM outbox ORDER BY id LIMIT $1",
    values: [limit],
  });
  return rows;
}

async function publishSome(options: OutboxRelayOptions, topics: Topics): Promise<number> {
  const rows = await oldestRows(options, BATCH);
  for (const group of groupRuns(rows)) {
    const topic = topics.get(group.topic);
    if (topic === undefined)
      throw new Error(`outbox row for a topic that this service does not publish: ${group.topic}`);
    await options.log.append(
      topic,
      group.partition,
      group.rows.map((row) => ({ key: row.key, value: Buffer.from(row.value) })),
    );
  }
  if (rows.length > 0)
    await options.database.pool.query("DELETE FROM outbox WHERE id = ANY($1::bigint[])", [rows.map((row) => row.id)]);
  return rows.length;
}

interface Group {
  readonly topic: string;
  readonly partition: number;
  readonly rows: Row[];
}

/**
 * Rows of one topic and partition, in id order. Order between the partitions of a topic has no meaning, but no row goes before one
 * of another topic with a lower id: a record may refer to what was published before it.
 */
function groupRuns(rows: readonly Row[]): Group[] {
  const groups: Group[] = [];
  let ofTopic = new Map<number, Group>();
  for (const row of rows) {
    if (row.topic !== groups.at(-1)?.topic) ofTopic = new Map();
    const known = ofTopic.get(row.partition);
    if (known !== undefined) {
      known.rows.push(row);
      continue;
    }
    const group = { topic: row.topic, partition: row.partition, rows: [row] };
    ofTopic.set(row.partition, group);
    groups.push(group);
  }
  return groups;
}
