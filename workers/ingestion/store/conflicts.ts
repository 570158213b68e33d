import { partitionOf } from "#kernel/partition.js";
import type { Database } from "#platform/database/database.js";
import { eventKeyOf } from "../rules/fingerprint.js";

/** What identifies an event. */
export interface ConflictKey {
  readonly tenantId: string;
  readonly source: string;
  readonly id: string;
}

/** Payloads that were received under an event's key after another one, whatever was decided about them. */
export interface Conflicts {
  readonly count: number;
  /** When the first of them arrived, epoch ms; undefined: there is none. */
  readonly since: number | undefined;
}

const NONE: Conflicts = { count: 0, since: undefined };

/** The conflicts under each key, in the order asked. A key that is asked for repeatedly is counted once. */
export async function readConflicts(
  { pool }: Pick<Database, "pool">,
  partitions: number,
  asked: readonly ConflictKey[],
): Promise<Conflicts[]> {
  const keys = asked.map(({ tenantId, source, id }) => eventKeyOf(tenantId, source, id));
  const { rows } = await pool.query<{ key: string; count: number; since: number }>(
    `SELECT q.key, count(*) AS count, min(q.received_at_ms) AS since
       FROM (SELECT DISTINCT * FROM unnest($1::int[], $2::uuid[])) AS asked (partition, key)
       JOIN quarantined_event q USING (partition, key)
      WHERE q.reason = 'CONFLICT' GROUP BY q.key`,
    [asked.map(({ tenantId }) => partitionOf(tenantId, partitions)), keys],
  );
  const found = new Map(rows.map(({ key, ...conflicts }) => [key, conflicts]));
  return keys.map((key) => found.get(key) ?? NONE);
}
