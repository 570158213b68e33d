import type { Pool } from "#platform/database/session.js";
import type { Topic } from "#schema/topics.js";
import type { NewRecord } from "../event-log.js";
import { groupAppends } from "../group-append.js";
import { UnknownPartitionError } from "../position.js";

const LIMITS = { maxRecords: 2_000, maxBytes: 8 << 20 };

/**
 * Locks the partition's row, takes the next offsets and inserts, in one statement and so in one transaction: one commit, one
 * fsync. Values arrive as one binary parameter with their lengths, which is cheaper than an array of bytea.
 */
const APPEND = `
WITH appended AS (
  UPDATE log_partition SET next = next + cardinality($4::int[]) WHERE topic = $1 AND partition = $2
  RETURNING id, next - cardinality($4::int[]) AS base
), item AS (
  SELECT ord - 1 AS nth, key, len, sum(len) OVER (ORDER BY ord) - len AS start
  FROM unnest($3::text[], $4::int[]) WITH ORDINALITY AS given (key, len, ord)
), inserted AS (
  INSERT INTO log_record (partition_id, log_offset, key, compacted, value, at)
  SELECT id, base + nth, key, $6::boolean AND key IS NOT NULL, substring($5::bytea FROM start::int + 1 FOR len), clock_timestamp()
  FROM appended, item
)
SELECT base FROM appended`;

/** The same, and deletes older records of the appended keys. A key appended concurrently is deleted next time. */
const APPEND_COMPACTED = APPEND.replace(
  "\nSELECT base",
  `, superseded AS (
  DELETE FROM log_record old USING appended
  WHERE old.partition_id = appended.id AND old.compacted AND old.key = ANY ($3::text[]) AND old.log_offset < appended.base
)
SELECT base`,
);

/** Appends to one partition; appends that arrive during a transaction share the next one (group commit). */
export function partitionAppender(
  pool: Pool,
  topic: Topic,
  partition: number,
  onAppended: () => void,
): ReturnType<typeof groupAppends> {
  return groupAppends(async (records) => {
    await insert(pool, topic, partition, records);
    onAppended();
  }, LIMITS);
}

async function insert(pool: Pool, topic: Topic, partition: number, records: readonly NewRecord[]): Promise<void> {
  const { rowCount } = await pool.query({
    name: topic.compacted ? "log-append-compacted" : "log-append",
    text: topic.compacted ? APPEND_COMPACTED : APPEND,
    values: [
      topic.name,
      partition,
      records.map((record) => record.key ?? null),
      records.map((record) => record.value.length),
      Buffer.concat(records.map((record) => record.value)),
      topic.compacted === true,
    ],
  });
  if (rowCount !== 1) throw new UnknownPartitionError(topic.name, partition);
}
