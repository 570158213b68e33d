import type { Database } from "#platform/database/database.js";
import type { IdentityFacts } from "../rules/accounting-identity.js";

/** One statement is one snapshot. Blocks are added up by their columns: their entries are not read. */
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

/** A partition's numbers, of the ledger only what lies behind `seq`; `isFull`: with all sums. Undefined: nothing was recorded. */
export async function readIdentity(
  database: Database,
  partition: number,
  seq: number,
  isFull: boolean,
): Promise<IdentityFacts | undefined> {
  if (!isFull) return (await database.pool.query<Facts>(FACTS, [partition, seq])).rows[0];
  const { rows } = await database.pool.query<Facts & Sums>(SUMS, [partition, seq]);
  if (rows[0] === undefined) return undefined;
  const { ofAccepted, ofRecorded, ofDuplicates, ofQuarantined, duplicateRows, quarantinedRows, ...facts } = rows[0];
  const sums = {
    ...{ accepted: ofAccepted, recorded: ofRecorded, duplicates: ofDuplicates, quarantined: ofQuarantined },
    ...{ duplicateRows, quarantinedRows },
  };
  return { ...facts, sums };
}
