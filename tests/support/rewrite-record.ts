import type { Database } from "#platform/database/database.js";
import type { Topic } from "#schema/topics.js";

/** Replaces the bytes of a record of the log, so that a reader waiting for newer code can read it. */
export async function rewriteRecord(
  { pool }: Database,
  topic: Topic,
  { partition, offset }: { readonly partition: number; readonly offset: number },
  value: string,
): Promise<void> {
  const { rowCount } = await pool.query(
    `UPDATE log_record SET value = $4 FROM log_partition p
      WHERE p.id = partition_id AND p.topic = $1 AND p.partition = $2 AND log_offset = $3`,
    [topic.name, partition, offset, Buffer.from(value)],
  );
  if (rowCount !== 1) throw new Error(`${topic.name}/${partition} has no record ${offset}`);
}
