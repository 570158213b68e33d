import { Decimal } from "#kernel/decimal.js";
import { rowsOf } from "#platform/database/cursor.js";
import type { Database, Transaction } from "#platform/database/database.js";
import type { Folded } from "../rules/fold.js";
import type { UsageCell } from "../rules/usage.js";

/** A pool (its own snapshot per statement) or a transaction. */
export type Queryable = Database["pool"] | Transaction;

/** Above every `seq` and every hour: unbounded. */
export const UNBOUNDED = Number.MAX_SAFE_INTEGER;

/** Rows of a statement over `WITH ORDINALITY` (n: 1, 2, 3 …), one group per query, empty ones included. */
export function groupByQuery<Row extends { readonly n: number }, T>(
  rows: readonly Row[],
  queryCount: number,
  map: (row: Row) => T,
): T[][] {
  const groups: T[][] = Array.from({ length: queryCount }, () => []);
  for (const row of rows) groups[row.n - 1]?.push(map(row));
  return groups;
}

/** Appends a batch's deltas. The caller's transaction moves the mark with it. */
export async function appendFolded(tx: Transaction, folded: Folded): Promise<void> {
  await appendDeltas(tx, folded.deltas);
  await addCounts(tx, folded.counts);
  await addUnmetered(tx, folded.unmetered);
}

async function appendDeltas(tx: Transaction, deltas: Folded["deltas"]): Promise<void> {
  if (deltas.length === 0) return;
  await tx.query({
    name: "append-deltas",
    text: `INSERT INTO usage_delta
       (tenant_id, seq, meter, hour, dimensions, value, quantity, event_count, last_event_at, recorded_hour, times)
     SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::numeric[],
                          $8::bigint[], $9::bigint[], $10::bigint[], $11::bytea[])`,
    values: [
      deltas.map((d) => d.tenantId),
      deltas.map((d) => d.seq),
      deltas.map((d) => d.meter),
      deltas.map((d) => d.hour),
      deltas.map((d) => d.dimensions),
      deltas.map((d) => d.value),
      deltas.map((d) => d.quantity.toFixed()),
      deltas.map((d) => d.eventCount),
      deltas.map((d) => d.lastEventAt),
      deltas.map((d) => d.recordedHour),
      deltas.map((d) => d.times),
    ],
  });
}

async function addCounts(tx: Transaction, counts: Folded["counts"]): Promise<void> {
  if (counts.length === 0) return;
  await tx.query({
    name: "add-counts",
    text: `INSERT INTO usage_count AS c (tenant_id, hour, counted, unmetered)
     SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[])
     ON CONFLICT (tenant_id, hour) DO UPDATE
       SET counted = c.counted + excluded.counted, unmetered = c.unmetered + excluded.unmetered`,
    values: [
      counts.map((c) => c.tenantId),
      counts.map((c) => c.hour),
      counts.map((c) => c.counted),
      counts.map((c) => c.unmetered),
    ],
  });
}

export async function addUnmetered(tx: Transaction, unmetered: Folded["unmetered"]): Promise<void> {
  if (unmetered.length === 0) return;
  await tx.query(
    `INSERT INTO unmetered_type AS u (tenant_id, event_type, event_count, last_at)
     SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[])
     ON CONFLICT (tenant_id, event_type) DO UPDATE
       SET event_count = u.event_count + excluded.event_count, last_at = greatest(u.last_at, excluded.last_at)`,
    [
      unmetered.map((u) => u.tenantId),
      unmetered.map((u) => u.eventType),
      unmetered.map((u) => u.count),
      unmetered.map((u) => u.lastAt),
    ],
  );
}

/** Tenants with events of a type that no meter counted at recording. */
export async function tenantsUnmetered(q: Queryable, eventType: string): Promise<string[]> {
  const { rows } = await q.query<{ tenant_id: string }>(
    "SELECT tenant_id FROM unmetered_type WHERE event_type = $1 ORDER BY tenant_id",
    [eventType],
  );
  return rows.map((row) => row.tenant_id);
}

/** The backfills of a partition, by meter key. */
export async function readBackfills(q: Queryable, partition: number): Promise<{ meter: string; seq: number }[]> {
  const { rows } = await q.query<{ meter: string; seq: number }>(
    "SELECT meter, seq FROM meter_backfill WHERE partition = $1 ORDER BY seq",
    [partition],
  );
  return rows;
}

export async function insertBackfill(tx: Transaction, partition: number, meter: string, seq: number): Promise<void> {
  await tx.query("INSERT INTO meter_backfill (partition, meter, seq) VALUES ($1, $2, $3)", [partition, meter, seq]);
}

/** A query for a tenant's usage with event time in [from, to), as of a watermark and a recording hour. */
export interface UsageQuery {
  readonly tenantId: string;
  readonly from: number;
  readonly to: number;
  readonly maxSeq: number;
  /** Only deltas recorded before this moment's hour. */
  readonly recordedBefore: number;
  /** Null: every meter. */
  readonly meter: string | null;
  /** Width of the buckets; 0: one bucket. */
  readonly bucketMs: number;
}

export interface BucketedCell extends UsageCell {
  /** Start of its bucket; the query's `from` with only one. */
  readonly bucket: number;
  /** Whether `lastEventAt` may be that of a voided event. */
  readonly hasVoids: boolean;
}

interface CellRow extends Omit<BucketedCell, "dimensions" | "quantity"> {
  readonly n: number;
  readonly dimensions: string;
  readonly quantity: string;
}

/** Cells of one meter and bucket. */
export interface CellGroup {
  /** The place of their query, from 0. */
  readonly query: number;
  readonly meter: string;
  readonly cells: readonly BucketedCell[];
}

/**
 * Cells of each query, in one statement, in groups: by query, meter (in the order of their keys) and bucket. No more than one
 * group is in memory: all of a tenant's meters may have more than fits. Costs by hours and cells, not by events; omits dominated
 * values. Stops with the signal's reason when it aborts.
 */
export async function* readCells(
  tx: Transaction,
  queries: readonly UsageQuery[],
  signal?: AbortSignal,
): AsyncGenerator<CellGroup, undefined> {
  if (queries.length === 0) return undefined;
  const rows = rowsOf<CellRow>(
    tx,
    `SELECT w.n, d.meter, d.dimensions, d.value,
            CASE WHEN w.bucket = 0 THEN w.from_at ELSE d.hour / w.bucket * w.bucket END AS bucket,
            sum(d.quantity)::text AS quantity, sum(d.event_count)::bigint AS "eventCount",
            sum(d.covered_count)::bigint AS "dominatedCount",
            greatest(max(d.last_event_at), max(d.covered_last_at)) AS "lastEventAt",
            bool_or(d.event_count < 0) AS "hasVoids"
       FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::bigint[])
              WITH ORDINALITY AS w(tenant_id, from_at, to_at, max_seq, recorded_before, meter, bucket, n)
       JOIN usage_delta d ON d.tenant_id = w.tenant_id AND d.hour >= w.from_at AND d.hour < w.to_at
        AND d.seq <= w.max_seq AND d.recorded_hour < w.recorded_before AND NOT d.covered
        AND (w.meter IS NULL OR d.meter = w.meter)
      GROUP BY 1, 2, 3, 4, 5
      ORDER BY 1, d.meter COLLATE "C", 5, 3, 4`,
    [
      queries.map((w) => w.tenantId),
      queries.map((w) => w.from),
      queries.map((w) => w.to),
      queries.map((w) => w.maxSeq),
      queries.map((w) => w.recordedBefore),
      queries.map((w) => w.meter),
      queries.map((w) => w.bucketMs),
    ],
    { signal },
  );
  let of: CellRow | undefined;
  let cells: BucketedCell[] = [];
  for await (const row of rows) {
    if (of !== undefined && (of.n !== row.n || of.meter !== row.meter || of.bucket !== row.bucket)) {
      yield { query: of.n - 1, meter: of.meter, cells };
      cells = [];
    }
    const { n: _, dimensions, quantity, ...rest } = row;
    // Rows with the same ones follow each other: a meter of distinct values has one for each.
    const known = of?.dimensions === dimensions ? cells.at(-1)?.dimensions : undefined;
    cells.push({ ...rest, dimensions: known ?? parseDimensions(dimensions), quantity: new Decimal(quantity) });
    of = row;
  }
  if (of !== undefined) yield { query: of.n - 1, meter: of.meter, cells };
  return undefined;
}

function parseDimensions(text: string): string[] {
  const parsed: unknown = JSON.parse(text);
  if (!Array.isArray(parsed)) throw new TypeError("stored dimensions are a JSON array");
  return parsed.map(String);
}

/** The last applied entry of every partition that has one. */
export async function readMarks(q: Queryable): Promise<ReadonlyMap<number, number>> {
  const { rows } = await q.query<{ partition: number; seq: number }>("SELECT partition, seq FROM high_water_mark");
  return new Map(rows.map((row) => [row.partition, row.seq]));
}

/** A query for a tenant's accounting, for events received in [from, to); null: unbounded. Both are full hours. */
export interface CountQuery {
  readonly tenantId: string;
  readonly partition: number;
  readonly from: number | null;
  readonly to: number | null;
}

export interface Counts {
  readonly counted: number;
  readonly unmetered: number;
  /** The partition's mark in the same snapshot: the counts cover exactly the entries up to it. */
  readonly mark: number;
}

export async function readCounts(q: Queryable, queries: readonly CountQuery[]): Promise<Counts[]> {
  const { rows } = await q.query<Counts>(
    `SELECT coalesce(sum(c.counted), 0)::bigint AS counted, coalesce(sum(c.unmetered), 0)::bigint AS unmetered,
            coalesce((SELECT seq FROM high_water_mark m WHERE m.partition = w.partition), 0) AS mark
       FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[])
              WITH ORDINALITY AS w(tenant_id, partition, from_at, to_at, n)
       LEFT JOIN usage_count c ON c.tenant_id = w.tenant_id
        AND (w.from_at IS NULL OR c.hour >= w.from_at) AND (w.to_at IS NULL OR c.hour < w.to_at)
      GROUP BY w.n, w.partition
      ORDER BY w.n`,
    [
      queries.map((w) => w.tenantId),
      queries.map((w) => w.partition),
      queries.map((w) => w.from),
      queries.map((w) => w.to),
    ],
  );
  return rows;
}
