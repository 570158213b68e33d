import { partitionOf } from "#kernel/partition.js";
import type { Database } from "#platform/database/database.js";

/** Of an event in quarantine. */
export interface QuarantinePosition {
  readonly tenantId: string;
  readonly position: number;
}

const FROM_ASKED = `FROM unnest($1::int[], $2::text[], $3::bigint[]) WITH ORDINALITY AS asked (partition, tenant_id, position, n)
  JOIN quarantined_event e USING (partition, tenant_id, position)`;

/**
 * The data of events in quarantine as canonical JSON text, in the order asked. Calls `admit` with the bytes of all before it
 * reads them: a page of large events must not be in memory before it is refused.
 */
export async function readQuarantinedData(
  { pool }: Database,
  partitions: number,
  asked: readonly QuarantinePosition[],
  admit: (bytes: number) => void,
): Promise<string[]> {
  const parameters = [
    asked.map(({ tenantId }) => partitionOf(tenantId, partitions)),
    asked.map(({ tenantId }) => tenantId),
    asked.map(({ position }) => position),
  ];
  const sizes = await pool.query<{ bytes: number }>(
    `SELECT coalesce(sum(octet_length(e.data)), 0)::float8 AS bytes ${FROM_ASKED}`,
    parameters,
  );
  admit(sizes.rows[0]?.bytes ?? 0);
  const { rows } = await pool.query<{ data: string }>(`SELECT e.data ${FROM_ASKED} ORDER BY asked.n`, parameters);
  if (rows.length !== asked.length) throw new Error("an event left quarantine's table, which keeps every event");
  return rows.map(({ data }) => data);
}
