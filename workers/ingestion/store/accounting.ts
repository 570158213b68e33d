import type { Database } from "#platform/database/database.js";
import type { IdentityFacts } from "../rules/accounting-identity.js";

/** One statement is one snapshot. Sums blocks by their columns, without reading entries. */
const FACTS = `
SELECT c.next, c.seq, c.items, c.events, c.duplicates, c.quarantined, b.*,
  (SELECT count(*) FROM poison_record WHERE partition = $1)::bigint AS poison
FROM recorder_cursor c CROSS JOIN LATERAL (
  SELECT min(first_seq) AS "firstSeq", max(last_seq) AS "lastSeq",
    coalesce(sum(last_seq - first_seq + 1), 0)::bigint AS "newEntries",
    coalesce(sum(coalesce(event_count, (SELECT count(*) FROM json_array_elements(entries::json) e
      WHERE json_typeof(e.value) = 'array'))), 0)::bigint AS "newEvents"
  FROM ledger_block WHERE partition = $1 AND last_seq > $2
) b WHERE c.partition = $1`;

const SUMS = `
SELECT f.*, a.*,
  (SELECT coalesce(sum(count), 0) FROM usage_duplicate WHERE partition = $1)::bigint AS "duplicateRows",
  (SELECT count(*) FROM quarantined_event WHERE partition = $1 AND status <> 'ACCEPTED')::bigint AS "quarantinedRows"
FROM (${FACTS}) f CROSS JOIN LATERAL (
  SELECT coalesce(sum(accepted), 0)::bigint AS "ofAccepted", coalesce(sum(recorded), 0)::bigint AS "ofRecorded",
    coalesce(sum(duplicates), 0)::bigint AS "ofDuplicates", coalesce(sum(quarantined), 0)::bigint AS "ofQuarantined"
  FROM usage_account WHERE partition = $1
) a`;

type Facts = Omit<IdentityFacts, "sums">;
interface Sums {
  readonly ofAccepted: number;
  readonly ofRecorded: number;
  readonly ofDuplicates: number;
  readonly ofQuarantined: number;
  readonly duplicateRows: number;
  readonly quarantinedRows: number;
}

/** A partition's numbers, of the ledger only after `seq`; `isFull`: with all sums. Undefined: nothing was recorded. */
export async function readIdentity(
  database: Database,
  partition: number,
  seq: number,
  isFull: boolean,
): Promise<IdentityFacts | undefined> {
  if (!isFull) return (await database.pool.query<Facts>(FACTS, [partition, seq])).rows[0];
  // A sum over the whole ledger takes as long as it takes; it locks nothing.
  const { rows } = await database.under("rebuild").pool.query<Facts & Sums>(SUMS, [partition, seq]);
  if (rows[0] === undefined) return undefined;
  const { ofAccepted, ofRecorded, ofDuplicates, ofQuarantined, duplicateRows, quarantinedRows, ...facts } = rows[0];
  const sums = {
    ...{ accepted: ofAccepted, recorded: ofRecorded, duplicates: ofDuplicates, quarantined: ofQuarantined },
    ...{ duplicateRows, quarantinedRows },
  };
  return { ...facts, sums };
}

/** A tenant's part of the recorded items, after a mark and in some hours. */
export interface RecordedPart {
  readonly next: number;
  readonly accepted: number;
  readonly duplicates: number;
  readonly quarantined: number;
  /** Events of the ledger after the mark. */
  readonly uncounted: number;
}

/** What an entry of a block says of its event: an array is one, and an object of the kind `import`; undefined of the others. */
const OF_EVENT = (member: string, position: number) =>
  `CASE WHEN json_typeof(entry) = 'array' THEN entry ->> ${position}
    WHEN entry ->> 'kind' = 'import' THEN entry ->> '${member}' END`;

/** One statement is one snapshot. */
const RECORDED = `
SELECT r.* FROM unnest($1::int[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[])
  WITH ORDINALITY AS q (partition, tenant_id, mark, from_ms, to_ms, position)
CROSS JOIN LATERAL (
  SELECT coalesce((SELECT next FROM recorder_cursor WHERE partition = q.partition), 0)::bigint AS next,
    (SELECT count(*) FROM ledger_block b CROSS JOIN LATERAL ledger_entries(b.entries, b.packed) AS e (entry, n)
      CROSS JOIN LATERAL (SELECT ${OF_EVENT("tenantId", 0)} AS tenant_id, (${OF_EVENT("receivedAt", 5)})::bigint AS received_at) o
      WHERE b.partition = q.partition AND b.last_seq > q.mark AND b.tenants @> ARRAY[q.tenant_id]
        AND o.tenant_id = q.tenant_id AND b.first_seq + n - 1 > q.mark
        AND o.received_at >= q.from_ms AND o.received_at < q.to_ms) AS uncounted,
    coalesce(sum(accepted), 0)::bigint AS accepted, coalesce(sum(duplicates), 0)::bigint AS duplicates,
    coalesce(sum(quarantined), 0)::bigint AS quarantined
  FROM usage_account a WHERE a.partition = q.partition AND a.tenant_id = q.tenant_id
    AND a.hour_ms >= q.from_ms AND a.hour_ms < q.to_ms
) r ORDER BY q.position`;

export interface AccountedHours {
  readonly partition: number;
  readonly tenantId: string;
  readonly mark: number;
  /** Hours in [from, to), epoch ms. */
  readonly from: number;
  readonly to: number;
}

/** In the order of the queries. */
export async function readRecorded(
  database: Database,
  asked: readonly AccountedHours[],
): Promise<readonly RecordedPart[]> {
  const { rows } = await database.pool.query<RecordedPart>(RECORDED, [
    asked.map(({ partition }) => partition),
    asked.map(({ tenantId }) => tenantId),
    asked.map(({ mark }) => mark),
    asked.map(({ from }) => from),
    asked.map(({ to }) => to),
  ]);
  return rows;
}
