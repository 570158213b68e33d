import type { Pool } from "#platform/database/session.js";
import type { LogRecord, PartitionBounds } from "../event-log.js";
import { UnknownPartitionError } from "../position.js";

export interface ReadResult {
  readonly bounds: PartitionBounds;
  readonly records: readonly LogRecord[];
}

/**
 * Bounds and records in one snapshot. `octet_length` of a stored value does not read it, so the byte limit is free; the first
 * record is returned whatever its size.
 */
const READ = `
SELECT p.first, p.next, r.log_offset, r.key, r.value, (extract(epoch FROM r.at) * 1000)::bigint AS at_ms
FROM log_partition p LEFT JOIN LATERAL (
  SELECT * FROM (
    SELECT bounded.*, sum(octet_length(value)) OVER (ORDER BY log_offset) - octet_length(value) AS bytes_before
    FROM (
      SELECT log_offset, key, value, at FROM log_record
      WHERE partition_id = p.id AND log_offset >= greatest($3::bigint, p.first) AND log_offset < p.next
      ORDER BY log_offset LIMIT $4
    ) bounded
  ) sized WHERE bytes_before < $5
) r ON true
WHERE p.topic = $1 AND p.partition = $2
ORDER BY r.log_offset`;

interface Row {
  readonly first: number;
  readonly next: number;
  readonly log_offset: number | null;
  readonly key: string | null;
  readonly value: Buffer | null;
  readonly at_ms: number | null;
}

export async function readPartition(
  pool: Pool,
  topic: string,
  partition: number,
  from: number,
  maxRecords: number,
  maxBytes: number,
): Promise<ReadResult> {
  const { rows } = await pool.query<Row>({
    name: "log-read",
    text: READ,
    values: [topic, partition, from, maxRecords, maxBytes],
  });
  const [head] = rows;
  if (head === undefined) throw new UnknownPartitionError(topic, partition);
  return { bounds: { first: head.first, next: head.next }, records: rows.flatMap(toRecord) };
}

function toRecord(row: Row): LogRecord[] {
  if (row.log_offset === null || row.value === null || row.at_ms === null) return [];
  return [{ offset: row.log_offset, key: row.key ?? undefined, value: row.value, timestamp: row.at_ms }];
}
