import type { Database } from "#platform/database.js";
import type { LedgerPage, LedgerQuery } from "#platform/ledger-client.js";
import { entryOf, type LedgerRow } from "./ledger-row.js";

/** Reads of the ledger and its cursors. */

/** A page of the ledger is cut when its data exceeds this, so that one answer's memory is bounded. */
const MAX_PAGE_BYTES = 8 << 20;

/** `octet_length` of a stored text doesn't fetch it, so the limit costs nothing; the first entry comes whatever its size. */
const bounded = (from: string): string => `
SELECT seq, recorded_at_ms, received_at_ms, time_ms, tenancy_version, kind, tenant_id, source, id, type, data, found
FROM (
  SELECT page.*, count(*) OVER () AS found, sum(octet_length(data)) OVER (ORDER BY seq) - octet_length(data) AS bytes_before
  FROM (${from} ORDER BY seq LIMIT $4) page
) sized WHERE bytes_before < $5 ORDER BY seq`;

const ALL = bounded("SELECT * FROM ledger WHERE partition = $1 AND seq BETWEEN $2 AND $3");
/**
 * The tenant's own entries, and those that concern every tenant only as far as the own ones of this page reach: of a month's
 * half a million ticks each is looked at once, in their index alone, however many pages the tenant has.
 */
const OF_TENANT = `
WITH own AS MATERIALIZED (
  SELECT seq FROM ledger WHERE partition = $1 AND seq BETWEEN $2 AND $3 AND tenant_id = $6 ORDER BY seq LIMIT $4
), reach AS (
  SELECT CASE WHEN count(*) < $4 THEN $3 ELSE max(seq) END AS last FROM own
), shared AS MATERIALIZED (
  SELECT seq FROM ledger WHERE partition = $1 AND seq BETWEEN $2 AND (SELECT last FROM reach) AND tenant_id IS NULL
    AND (kind <> 'tick' OR time_ms IS NULL OR time_ms >= $7) ORDER BY seq LIMIT $4
)${bounded("SELECT ledger.* FROM ledger JOIN (SELECT seq FROM own UNION ALL SELECT seq FROM shared) wanted USING (seq) WHERE partition = $1")}`;

const EVERY_TICK = -8.64e15;

/** Entries from `from` on, in order; with a tenant only its own and those that concern every tenant. */
export async function readLedger(database: Database, query: LedgerQuery): Promise<LedgerPage> {
  const { partition, from, limit, tenantId, ticksFrom = EVERY_TICK } = query;
  const headSeq = await readHead(database, partition);
  if (from > headSeq) return { entries: [], nextSeq: from, headSeq };
  const range = [partition, from, headSeq, limit, MAX_PAGE_BYTES];
  const { rows } = await database.pool.query<LedgerRow & { found: number }>(
    tenantId === undefined
      ? { name: "read-ledger", text: ALL, values: range }
      : { name: "read-ledger-of-tenant", text: OF_TENANT, values: [...range, tenantId, ticksFrom] },
  );
  const entries = rows.map(entryOf);
  const complete = rows.length === (rows[0]?.found ?? 0) && rows.length < limit;
  const nextSeq = complete ? headSeq + 1 : (entries.at(-1)?.seq ?? headSeq) + 1;
  return { entries, nextSeq, headSeq };
}

async function readHead(database: Database, partition: number): Promise<number> {
  const { rows } = await database.pool.query<{ seq: number }>("SELECT seq FROM recorder_cursor WHERE partition = $1", [
    partition,
  ]);
  return rows[0]?.seq ?? 0;
}

/** Last position of a partition that usage.recorded is known to hold. */
export async function readPublished(database: Database, partition: number): Promise<number> {
  const { rows } = await database.pool.query<{ published: number }>(
    "SELECT published FROM publisher_cursor WHERE partition = $1",
    [partition],
  );
  return rows[0]?.published ?? 0;
}

/** Moves the published cursor by compare-and-swap; false: someone else moved it. */
export async function movePublished(database: Database, partition: number, from: number, to: number): Promise<boolean> {
  const { rowCount } = await database.pool.query({
    name: "move-published",
    text: "UPDATE publisher_cursor SET published = $3 WHERE partition = $1 AND published = $2",
    values: [partition, from, to],
  });
  return rowCount === 1;
}

/** The database's clock, epoch ms. */
export async function databaseNow(database: Database): Promise<number> {
  const { rows } = await database.pool.query<{ now: number }>(
    "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now",
  );
  return rows[0]?.now ?? 0;
}
