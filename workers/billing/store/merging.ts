import type { Transaction } from "#platform/database/database.js";
import type { Queryable } from "./usage.js";

/** Deltas of a tenant that were recorded in one UTC hour. */
export interface RecordedHour {
  readonly tenantId: string;
  readonly hour: number;
}

/** Hours before `before` whose deltas were not merged yet, oldest first. */
export async function unmergedHours(q: Queryable, before: number, limit: number): Promise<RecordedHour[]> {
  const { rows } = await q.query<{ tenant_id: string; recorded_hour: number }>(
    `SELECT DISTINCT recorded_hour, tenant_id FROM usage_delta WHERE NOT merged AND recorded_hour < $1
      ORDER BY recorded_hour, tenant_id LIMIT $2`,
    [before, limit],
  );
  return rows.map((row) => ({ tenantId: row.tenant_id, hour: row.recorded_hour }));
}

/** Whether this transaction is now the only one that merges. */
export async function takeMergeLock(tx: Transaction): Promise<boolean> {
  const { rows } = await tx.query<{ got: boolean }>("SELECT pg_try_advisory_xact_lock($1) AS got", [MERGE_LOCK]);
  return rows[0]?.got === true;
}

const MERGE_LOCK = 7_244_118_303;

/** Meters of whose values only the top one counts. */
export interface OrderedMeters {
  readonly byNumber: readonly string[];
  readonly byText: readonly string[];
}

/**
 * Puts one delta in the place of those of a tenant's hour that say the same but for their amounts and lie between the same
 * watermarks: their sum, at the last `seq` of them. A watermark to come lies above every delta there is, so that what any reader
 * may ask for, as of a watermark or an hour, stays as it is.
 *
 * Of a meter whose top value counts, that one then covers the rest of its cell between the same watermarks: it is there whenever
 * they are. Not where anything was taken back: of what a void leaves, the top may be any. At most `limit` deltas; answers how
 * many there were.
 */
export async function mergeDeltas(
  tx: Transaction,
  { tenantId, hour }: RecordedHour,
  partition: number,
  ordered: OrderedMeters,
  limit: number,
): Promise<number> {
  // No batch of this partition comes between: a void must either be seen here or see what is covered here. Nor does a rebuild.
  await tx.query("SELECT 1 FROM high_water_mark WHERE partition = $1 FOR SHARE", [partition]);
  const { rows } = await tx.query<{ taken: number }>(
    `WITH chosen AS (
       SELECT tenant_id, seq, id FROM usage_delta
        WHERE tenant_id = $1 AND recorded_hour = $2 AND NOT merged LIMIT $3
     ), taken AS (
       DELETE FROM usage_delta d USING chosen c
        WHERE d.tenant_id = c.tenant_id AND d.seq = c.seq AND d.id = c.id RETURNING d.*
     ), placed AS (
       SELECT t.*, (SELECT count(*) FROM billing_period p WHERE p.tenant_id = t.tenant_id AND p.watermark < t.seq) AS segment
         FROM taken t
     ), summed AS (
       SELECT tenant_id, max(seq) AS seq, meter, hour, dimensions, value, sum(quantity) AS quantity,
              sum(event_count) AS event_count, max(last_event_at) AS last_event_at, recorded_hour, segment
         FROM placed GROUP BY tenant_id, meter, hour, dimensions, value, recorded_hour, segment
     ), voided AS (
       SELECT DISTINCT hour, meter, dimensions FROM usage_delta
        WHERE tenant_id = $1 AND event_count < 0 AND hour IN (SELECT hour FROM taken)
     ), ranked AS (
       SELECT s.*, (meter = ANY ($4) OR meter = ANY ($5)) AND event_count > 0
                AND NOT EXISTS (SELECT 1 FROM voided v
                  WHERE v.hour = s.hour AND v.meter = s.meter AND v.dimensions = s.dimensions) AS is_ordered,
              row_number() OVER (PARTITION BY meter, hour, dimensions, segment ORDER BY event_count > 0 DESC,
                CASE WHEN meter = ANY ($4) THEN value::numeric END DESC, value COLLATE "C" DESC) AS rank
         FROM summed s
     ), added AS (
       INSERT INTO usage_delta (tenant_id, seq, meter, hour, dimensions, value, quantity, event_count, last_event_at,
         recorded_hour, merged, covered, covered_count, covered_last_at)
       SELECT r.tenant_id, r.seq, r.meter, r.hour, r.dimensions, r.value, r.quantity, r.event_count, r.last_event_at,
              r.recorded_hour, true, r.is_ordered AND r.rank > 1,
              CASE WHEN r.is_ordered AND r.rank = 1
                THEN sum(r.event_count) FILTER (WHERE r.is_ordered) OVER cell - r.event_count ELSE 0 END,
              CASE WHEN r.is_ordered AND r.rank = 1
                THEN max(r.last_event_at) FILTER (WHERE r.is_ordered) OVER cell END
         FROM ranked r WINDOW cell AS (PARTITION BY r.meter, r.hour, r.dimensions, r.segment)
     )
     SELECT count(*)::int AS taken FROM taken`,
    [tenantId, hour, limit, ordered.byNumber, ordered.byText],
  );
  return rows[0]?.taken ?? 0;
}

/** Brings back what is covered in these hours of event time: something of them was taken back. */
export async function uncoverHours(
  tx: Transaction,
  hours: readonly { readonly tenantId: string; readonly hour: number }[],
): Promise<void> {
  if (hours.length === 0) return;
  const asked = "unnest($1::text[], $2::bigint[]) AS v (tenant_id, hour)";
  const values = [hours.map(({ tenantId }) => tenantId), hours.map(({ hour }) => hour)];
  await tx.query(
    `UPDATE usage_delta d SET covered_count = 0, covered_last_at = NULL FROM ${asked}
      WHERE d.tenant_id = v.tenant_id AND d.hour = v.hour AND NOT d.covered AND d.covered_count > 0`,
    values,
  );
  await tx.query(
    `UPDATE usage_delta d SET covered = false FROM ${asked}
      WHERE d.tenant_id = v.tenant_id AND d.hour = v.hour AND d.covered`,
    values,
  );
}
