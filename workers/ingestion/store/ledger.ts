import { MAX_INSTANT_MS } from "#kernel/duration.js";
import { hourOf } from "#kernel/period.js";
import type { Database, Transaction } from "#platform/database/database.js";
import type { LedgerPage, LedgerQuery } from "#platform/ledger/client.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { entriesOf, type LedgerBlock, type StoredBlock } from "./ledger-block.js";

/** Reads of the ledger and its cursors. */

/** Size limit of a ledger page in bytes of blocks, which bounds a response's memory. */
const MAX_PAGE_BYTES = 8 << 20;

/** `octet_length` of a stored value does not fetch it, so the limits are free; the first block is returned whatever its size. */
const bounded = (from: string, isEnough = "false"): string => `
SELECT first_seq, last_seq, recorded_at_ms, tenancy_version, entries, packed, found
FROM (
  SELECT page.*, count(*) OVER () AS found, sum(bytes) OVER (ORDER BY last_seq) - bytes AS bytes_before
  FROM (${from} ORDER BY last_seq LIMIT $3) page
) sized WHERE bytes_before < $4 AND NOT (${isEnough}) ORDER BY last_seq`;

const COLUMNS =
  "first_seq, last_seq, recorded_at_ms, tenancy_version, entries, packed, octet_length(entries) + coalesce(octet_length(packed), 0) AS bytes";
/** Without a filter every entry counts towards the page limit. */
const ALL = bounded(
  `SELECT ${COLUMNS} FROM ledger_block WHERE partition = $1 AND last_seq >= $2`,
  "first_seq >= $2 + $3",
);
/** Skips blocks that contain only ticks, half a million a month, except those the reader needs. */
const OF_TENANT = bounded(`
  SELECT * FROM (
    (SELECT ${COLUMNS} FROM ledger_block WHERE partition = $1 AND last_seq >= $2 AND tenants <> '{}'
       AND (tenants @> ARRAY[$5::text] OR is_shared OR ticked_ms >= $6) ORDER BY last_seq LIMIT $3)
    UNION ALL
    (SELECT ${COLUMNS} FROM ledger_block WHERE partition = $1 AND last_seq >= $2 AND tenants = '{}'
       AND (is_shared OR ticked_ms >= $6) ORDER BY last_seq LIMIT $3)
  ) wanted`);

const EVERY_TICK = -MAX_INSTANT_MS;

/** A stored block with its end. */
export type StoredRange = StoredBlock & Pick<LedgerBlock, "last_seq">;
type PageBlock = StoredRange & { readonly found: number };

/** Entries from `from` on, in order; with a tenant only its own and those for all tenants. */
export async function readLedger(database: Database, query: LedgerQuery): Promise<LedgerPage> {
  const { partition, limit, tenantId, ticksFrom = EVERY_TICK } = query;
  const { headSeq, reachedSeq } = await readHead(database, partition);
  const from = await startOf(database, query, reachedSeq);
  if (from > headSeq) return { entries: [], nextSeq: from, headSeq };
  const range = [partition, from, limit, MAX_PAGE_BYTES];
  const { rows } = await database.pool.query<PageBlock>(
    tenantId === undefined
      ? { name: "read-ledger", text: ALL, values: range }
      : { name: "read-ledger-of-tenant", text: OF_TENANT, values: [...range, tenantId, ticksFrom] },
  );
  const isWanted = (entry: LedgerEntry): boolean =>
    entry.seq >= from &&
    entry.seq <= headSeq &&
    (tenantId === undefined ||
      ("tenantId" in entry ? entry.tenantId === tenantId : entry.kind !== "tick" || entry.at >= ticksFrom));
  const entries: LedgerEntry[] = [];
  for (const block of rows) {
    for (const entry of entriesOf(block)) {
      if (!isWanted(entry)) continue;
      if (entries.length === limit) return { entries, nextSeq: (entries.at(-1)?.seq ?? headSeq) + 1, headSeq };
      entries.push(entry);
    }
  }
  const isComplete = rows.length === (rows[0]?.found ?? 0) && rows.length < limit;
  const reached = isComplete ? headSeq : Math.min(headSeq, rows.at(-1)?.last_seq ?? headSeq);
  return { entries, nextSeq: reached + 1, headSeq };
}

export interface BlockPage extends Omit<LedgerPage, "entries"> {
  readonly blocks: readonly StoredRange[];
}

/** Whole blocks that cover `from` to `nextSeq`, with about as many entries as requested, and some before and after. */
export async function readLedgerBlocks(
  database: Database,
  query: Omit<LedgerQuery, "tenantId" | "ticksFrom">,
): Promise<BlockPage> {
  const { partition, limit } = query;
  const { headSeq, reachedSeq } = await readHead(database, partition);
  const from = await startOf(database, query, reachedSeq);
  if (from > headSeq) return { blocks: [], nextSeq: from, headSeq };
  const values = [partition, from, limit, MAX_PAGE_BYTES];
  const { rows } = await database.pool.query<PageBlock>({ name: "read-ledger", text: ALL, values });
  return { blocks: rows, nextSeq: Math.min(headSeq, rows.at(-1)?.last_seq ?? headSeq) + 1, headSeq };
}

/** The entry at a position; undefined: none, or it is archived. */
export async function readEntry(
  from: Pick<Transaction, "query">,
  partition: number,
  seq: number,
): Promise<LedgerEntry | undefined> {
  const { rows } = await from.query<StoredBlock>({
    name: "read-entry",
    text: `SELECT first_seq, recorded_at_ms, tenancy_version, entries, packed FROM ledger_block
           WHERE partition = $1 AND last_seq >= $2 ORDER BY last_seq LIMIT 1`,
    values: [partition, seq],
  });
  return rows[0] && entriesOf(rows[0]).find((entry) => entry.seq === seq);
}

/**
 * Creates the table of a moment's month and of the month after, so that the month's end needs no action. Recording into a month
 * without a table fails.
 */
export async function ensureLedgerMonths(database: Database, atMs: number): Promise<void> {
  const at = new Date(atMs);
  const next = Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 1);
  for (const month of [atMs, next]) await database.pool.query("SELECT ensure_ledger_month($1)", [month]);
}

/**
 * Where a read begins. The hours are in the order of `first_seq`; what is behind `reachedSeq` may be of any hour. Rows that were
 * added since it was read are behind it, too.
 */
async function startOf(
  database: Database,
  { partition, from, eventsFrom }: Pick<LedgerQuery, "partition" | "from" | "eventsFrom">,
  reachedSeq: number,
): Promise<number> {
  // ledger_reach has no hours from before the epoch.
  if (eventsFrom === undefined || eventsFrom <= 0) return from;
  const { rows } = await database.pool.query<{ seq: number }>(
    "SELECT first_seq AS seq FROM ledger_reach WHERE partition = $1 AND hour_ms >= $2 ORDER BY hour_ms LIMIT 1",
    [partition, hourOf(eventsFrom)],
  );
  return Math.max(from, Math.min(rows[0]?.seq ?? reachedSeq + 1, reachedSeq + 1));
}

async function readHead(database: Database, partition: number): Promise<{ headSeq: number; reachedSeq: number }> {
  const { rows } = await database.pool.query<{ headSeq: number; reachedSeq: number }>(
    'SELECT seq AS "headSeq", reached_seq AS "reachedSeq" FROM recorder_cursor WHERE partition = $1',
    [partition],
  );
  return rows[0] ?? { headSeq: 0, reachedSeq: 0 };
}

/** Last position of a partition known to be in usage.recorded. */
export async function readPublished(database: Database, partition: number): Promise<number> {
  const { rows } = await database.pool.query<{ published: number }>(
    "SELECT published FROM publisher_cursor WHERE partition = $1",
    [partition],
  );
  return rows[0]?.published ?? 0;
}

/** Moves the published cursor by compare-and-swap; false: another process moved it. */
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
