import { isNotNow } from "#kernel/database-time.js";
import { MINUTE_MS } from "#kernel/duration.js";
import type { Database } from "#platform/database/database.js";
import { DatabaseError } from "#platform/database/session.js";
import { repeat } from "#platform/lifecycle/repeat.js";
import type { Topic } from "#schema/topics.js";
import { appendWithinDeadline } from "../deadline.js";
import type { EventLog } from "../event-log.js";
import { UnknownPartitionError } from "../position.js";
import { partitionAppender } from "./append.js";
import { consumePartitions } from "./consumer.js";
import { listenForAppends, wakeHere } from "./notify.js";
import { readPartition } from "./read.js";
import { expire, trim } from "./retention.js";
import { createTails } from "./tails.js";
import { createWakeUps, placeOf } from "./wake-ups.js";

/** Finds records when a wake-up was lost with its connection. */
const POLL_MS = 1_000;
const RETENTION_EVERY_MS = MINUTE_MS;
const MAX_READ_BYTES = 16 << 20;

export interface PostgresLogOptions {
  /** The log's own database, with the migrations of `prisma/log/migrations`. Its owner closes it after the log. */
  readonly database: Database;
  /** Failures of background work (wake-ups, retention); the log recovers automatically. */
  readonly onError: (error: unknown) => void;
  /** Whether no other process appends to this log or reads it, so that none needs to be told of appends. */
  readonly isAlone?: boolean;
  /** How long a consumer waits for a wake-up before it looks anyway, ms. Default: 1,000. */
  readonly pollMs?: number;
}

/**
 * The event log of embedded mode. It has no groups: each `consume` gets all partitions of its topic, and two processes on one
 * log both consume everything. That is as safe as Kafka's zombies, because a consumer's own cursor, moved by compare-and-swap,
 * fences the slower one; it is only wasteful.
 */
export async function connectPostgresLog({
  database,
  onError,
  isAlone = false,
  pollMs = POLL_MS,
}: PostgresLogOptions): Promise<EventLog> {
  const { pool } = database;
  const stopped = new AbortController();
  const known = new Map<string, Topic>();
  const appenders = new Map<string, ReturnType<typeof partitionAppender>>();
  const wakeUps = createWakeUps();
  const tails = createTails();
  const notifications = isAlone ? wakeHere(wakeUps) : listenForAppends(database, wakeUps, onError);
  const sweep = repeat({
    everyMs: RETENTION_EVERY_MS,
    first: "later",
    async run(stopping) {
      for (const topic of known.values()) if (!stopping.aborted) await expire(pool, topic).catch(onError);
    },
    onError,
  });

  async function partitionCount(topic: Topic): Promise<number> {
    const { rows } = await pool.query<{ count: number }>(
      "SELECT count(*)::int AS count FROM log_partition WHERE topic = $1",
      [topic.name],
    );
    return rows[0]?.count ?? 0;
  }

  function appenderOf(topic: Topic, partition: number) {
    const key = placeOf(topic.name, partition);
    const existing = appenders.get(key);
    if (existing !== undefined) return existing;
    const created = partitionAppender(pool, topic, partition, (records) => {
      // Of a compacted topic older records go without a trim.
      if (!topic.compacted && wakeUps.isHeard(key)) tails.add(key, records);
      notifications.announce(topic.name, partition);
    });
    appenders.set(key, created);
    return created;
  }

  return {
    partitionCount,
    async ensureTopics(topics, count) {
      for (const topic of topics) {
        await ensureTopic(database, topic, topic.keyedByTenant ? count : 1);
        known.set(topic.name, topic);
      }
    },
    async append(topic, partition, records) {
      if (records.length === 0) return;
      const append = appenderOf(topic, partition);
      await appendWithinDeadline(
        (abandoned) =>
          append(records, abandoned).catch((error: unknown) => {
            tails.forget();
            throw error;
          }),
        isTransient,
        stopped.signal,
      );
    },
    async consume(options) {
      const partitions = Array.from({ length: await partitionCount(options.topic) }, (_, partition) => partition);
      if (partitions.length === 0) throw new UnknownPartitionError(options.topic.name, 0);
      return consumePartitions({ pool, tails, wakeUps, pollMs }, partitions, options);
    },
    bounds: async (topic, partition) => (await readPartition(pool, topic.name, partition, 0, 0, 0)).bounds,
    read: async (topic, partition, from, maxRecords) =>
      (await readPartition(pool, topic.name, partition, from, maxRecords, MAX_READ_BYTES)).records,
    async trim(topic, partition, before) {
      tails.trim(placeOf(topic.name, partition), before);
      await trim(pool, topic.name, partition, before);
    },
    async stop() {
      stopped.abort();
      await Promise.all([sweep.stop(), notifications.stop()]);
    },
  };
}

async function ensureTopic(database: Database, topic: Topic, count: number): Promise<void> {
  await database.transaction(async (tx) => {
    // A concurrent creation of the same topic waits here and then finds it.
    await tx.query("SELECT pg_advisory_xact_lock(hashtext('metrly.log'), hashtext($1))", [topic.name]);
    const { rowCount: existing } = await tx.query("SELECT 1 FROM log_partition WHERE topic = $1", [topic.name]);
    if (existing === 0)
      await tx.query(
        "INSERT INTO log_partition (topic, partition) SELECT $1, nth FROM generate_series(0, $2::int - 1) nth",
        [topic.name, count],
      );
    else if (existing !== count)
      throw new Error(`topic ${topic.name} has ${existing} partitions, ${count} are configured; they can't be changed`);
  });
}

/** What the server may do later, and errors of the connection to it. */
function isTransient(error: unknown): boolean {
  if (error instanceof DatabaseError) return isNotNow(error);
  return !(error instanceof UnknownPartitionError || error instanceof TypeError || error instanceof RangeError);
}
