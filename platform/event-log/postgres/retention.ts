import type pg from "pg";
import type { Topic } from "#schema/topics.js";

/** First hides the records from readers, then deletes them without blocking appends; a crash between leaves garbage. */
export async function trim(pool: pg.Pool, topic: string, partition: number, before: number): Promise<void> {
  await pool.query({
    name: "log-trim",
    text: `UPDATE log_partition SET first = least($3, next) WHERE topic = $1 AND partition = $2 AND first < least($3, next)`,
    values: [topic, partition, before],
  });
  await pool.query({
    name: "log-collect",
    text: `DELETE FROM log_record USING log_partition p
           WHERE p.topic = $1 AND p.partition = $2 AND partition_id = p.id AND log_offset < p.first`,
    values: [topic, partition],
  });
}

/** Deletes records older than the topic's retention. */
export async function expire(pool: pg.Pool, topic: Topic): Promise<void> {
  if (topic.retentionMs === undefined || topic.compacted) return;
  const { rows } = await pool.query<{ partition: number; before: number }>(
    `SELECT p.partition, coalesce((SELECT log_offset FROM log_record WHERE partition_id = p.id AND log_offset >= p.first
       AND at >= now() - $2 * interval '1 millisecond' ORDER BY log_offset LIMIT 1), p.next) AS before
     FROM log_partition p WHERE p.topic = $1`,
    [topic.name, topic.retentionMs],
  );
  for (const { partition, before } of rows) await trim(pool, topic.name, partition, before);
}
