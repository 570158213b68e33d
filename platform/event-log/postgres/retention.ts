import type { Pool } from "#platform/database/session.js";
import type { Topic } from "#schema/topics.js";

/** Records deleted by one statement, which has to end within the limits of its session. */
const COLLECTED_AT_ONCE = 5_000;

/** First hides the records from readers, then deletes them without blocking appends; a crash between leaves garbage. */
export async function trim(pool: Pool, topic: string, partition: number, before: number): Promise<void> {
  await pool.query({
    name: "log-trim",
    text: `UPDATE log_partition SET first = least($3, next) WHERE topic = $1 AND partition = $2 AND first < least($3, next)`,
    values: [topic, partition, before],
  });
  let deleted = COLLECTED_AT_ONCE;
  while (deleted === COLLECTED_AT_ONCE) {
    const { rowCount } = await pool.query({
      name: "log-collect",
      text: `WITH oldest AS MATERIALIZED (
               SELECT partition_id, log_offset FROM log_record JOIN log_partition p ON p.id = partition_id
               WHERE p.topic = $1 AND p.partition = $2 AND log_offset < p.first ORDER BY log_offset LIMIT $3)
             DELETE FROM log_record r USING oldest
             WHERE r.partition_id = oldest.partition_id AND r.log_offset = oldest.log_offset`,
      values: [topic, partition, COLLECTED_AT_ONCE],
    });
    deleted = rowCount ?? 0;
  }
}

/** Deletes records older than the topic's retention. */
export async function expire(pool: Pool, topic: Topic): Promise<void> {
  if (topic.retentionMs === undefined || topic.compacted) return;
  const { rows } = await pool.query<{ partition: number; before: number }>(
    `SELECT p.partition, coalesce((SELECT log_offset FROM log_record WHERE partition_id = p.id AND log_offset >= p.first
       AND at >= now() - $2 * interval '1 millisecond' ORDER BY log_offset LIMIT 1), p.next) AS before
     FROM log_partition p WHERE p.topic = $1`,
    [topic.name, topic.retentionMs],
  );
  for (const { partition, before } of rows) await trim(pool, topic.name, partition, before);
}
