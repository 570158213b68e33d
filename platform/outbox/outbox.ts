import type { Database, Transaction } from "#platform/database/database.js";
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
 * Publishes committed outbox rows in id order and deletes them once the log has them. A crash in between publishes again:
 * readers deduplicate by event id. Two relays on one database take turns by an advisory lock.
 */
export function startOutboxRelay(options: OutboxRelayOptions): OutboxRelay {
  const topics = new Map(options.topics.map((topic) => [topic.name, topic]));
  let failingSince: number | undefined;
  const relay = repeat({
    everyMs: options.pollMs ?? 500,
    async run(stopping) {
      try {
        while (!stopping.aborted && (await publishSome(options, topics)) === BATCH);
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

async function publishSome(options: OutboxRelayOptions, topics: ReadonlyMap<string, Topic>): Promise<number> {
  return options.database.transaction(async (tx) => {
    const lock = await tx.query<{ mine: boolean }>("SELECT pg_try_advisory_xact_lock($1) AS mine", [RELAY_LOCK]);
    if (lock.rows[0]?.mine !== true) return 0;
    const { rows } = await tx.query<{ id: number; topic: string; partition: number; key: string; value: string }>(
      "SELECT id, topic, partition, key, value FROM outbox ORDER BY id LIMIT $1",
      [BATCH],
    );
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
    await tx.query("DELETE FROM outbox WHERE id = ANY($1::bigint[])", [rows.map((row) => row.id)]);
    return rows.length;
  });
}

/** Rows of one topic and partition, in id order; order between partitions has no meaning. */
function groupRuns<Row extends { topic: string; partition: number }>(rows: readonly Row[]) {
  const groups = new Map<string, { topic: string; partition: number; rows: Row[] }>();
  for (const row of rows) {
    const key = `${row.topic}/${row.partition}`;
    const group = groups.get(key) ?? { topic: row.topic, partition: row.partition, rows: [] };
    group.rows.push(row);
    groups.set(key, group);
  }
  return groups.values();
}
