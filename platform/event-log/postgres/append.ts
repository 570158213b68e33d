import type { Pool } from "#platform/database/session.js";
import type { Topic } from "#schema/topics.js";
import type { LogRecord, NewRecord } from "../event-log.js";
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
  RETURNING id, next - cardinality($4::int[]) AS base, clock_timestamp() AS at
), item AS (
  SELECT ord - 1 AS nth, key, len, sum(len) OVER (ORDER BY ord) - len AS start
  FROM unnest($3::text[], $4::int[]) WITH ORDINALITY AS given (key, len, ord)
), inserted AS (
  INSERT INTO log_record (partition_id, log_offset, key, compacted, value, at)
  SELECT id, base + nth, key, $6::boolean AND key IS NOT NULL, substring($5::bytea FROM start::int + 1 FOR len), at
  FROM appended, item
)
SELECT base, (extract(epoch FROM at) * 1000)::bigint AS at_ms FROM appended`;

/** The same, and deletes older records of the appended keys. A key appended concurrently is deleted next time. */
const APPEND_COMPACTED = APPEND.replace(
  "\nSELECT base,",
  `, superseded AS (
  DELETE FROM log_record old USING appended
  WHERE old.partition_id = appended.id AND old.compacted AND old.key = ANY ($3::text[]) AND old.log_offset < appended.base
)
SELECT base,`,
);

/** Appends to one partition; appends that arrive during a transaction share the next one (group commit). `onAppended`: in their order. */
export function partitionAppender(
  pool: Pool,
  topic: Topic,
  partition: number,
  onAppended: (records: readonly LogRecord[]) => void,
): ReturnType<typeof groupAppends> {
  return groupAppends(async (records) => onAppended(await insert(pool, topic, partition, records)), LIMITS);
}

/** Returns the records as the log has them. */
async function insert(
  pool: Pool,
  topic: Topic,
  partition: number,
  records: readonly NewRecord[],
): Promise<readonly LogRecord[]> {
  const { rows } = await pool.query<{ base: number; at_ms: number }>({
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
  const [appended] = rows;
  if (appended === undefined) throw new UnknownPartitionError(topic.name, partition);
  const { base, at_ms: timestamp } = appended;
  return records.map(({ key, value }, index) => ({ offset: base + index, key, value, timestamp }));
}
