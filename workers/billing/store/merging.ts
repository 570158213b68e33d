import type { Transaction } from "#platform/database/database.js";
import type { Queryable } from "./usage.js";

/** Deltas of a tenant that were recorded in one UTC hour. */
export interface RecordedHour {
  readonly tenantId: string;
  readonly hour: number;
}

/** Hours before `before` with unmerged deltas, oldest first. */
export async function unmergedHours(q: Queryable, before: number, limit: number): Promise<RecordedHour[]> {
  const { rows } = await q.query<RecordedHour>(
    `SELECT DISTINCT recorded_hour AS hour, tenant_id AS "tenantId" FROM usage_delta WHERE NOT merged AND recorded_hour < $1
      ORDER BY recorded_hour, tenant_id LIMIT $2`,
    [before, limit],
  );
  return rows;
}

/** Takes the merge lock; false: another transaction merges. */
export async function takeMergeLock(tx: Transaction): Promise<boolean> {
  const { rows } = await tx.query<{ got: boolean }>("SELECT pg_try_advisory_xact_lock($1) AS got", [MERGE_LOCK]);
  return rows[0]?.got === true;
}

const MERGE_LOCK = 7_244_118_303;

/** Meters of which only the top value counts. */
export interface OrderedMeters {
  readonly byNumber: readonly string[];
  readonly byText: readonly string[];
}

/**
 * Compaction: replaces a tenant's deltas of an hour that differ only in their amounts and lie between the same watermarks by
 * their sum, at their last `seq`; voids stay, since each tells which event's time is gone. Later watermarks lie above every delta,
 * so that results as of any watermark or hour are unchanged. On a meter whose top value counts, that value then dominates the rest of its cell between the same watermarks: it
 * is present whenever they are. Not where a void retracted anything: any remaining value may become the top. At most `limit`
 * deltas, and about `MAX_TIMES_BYTES` of their events' times; returns their number.
 */
export async function mergeDeltas(
  tx: Transaction,
  { tenantId, hour }: RecordedHour,
  partition: number,
  ordered: OrderedMeters,
  limit: number,
): Promise<number> {
  // Serializes with batches of this partition, so a void is ordered either before or after this merge. Likewise with rebuilds.
  await tx.query("SELECT 1 FROM high_water_mark WHERE partition = $1 FOR SHARE", [partition]);
  const { rows } = await tx.query<{ taken: number }>(
    `WITH chosen AS (
       SELECT tenant_id, seq, id FROM (
         SELECT tenant_id, seq, id, coalesce(sum(bytes) OVER (ORDER BY seq, id) - bytes, 0) AS bytes_before FROM (
           SELECT tenant_id, seq, id, coalesce(octet_length(times), 0) AS bytes FROM usage_delta
            WHERE tenant_id = $1 AND recorded_hour = $2 AND NOT merged LIMIT $3) listed
       ) sized WHERE bytes_before < $6
     ), taken AS (
       DELETE FROM usage_delta d USING chosen c
        WHERE d.tenant_id = c.tenant_id AND d.seq = c.seq AND d.id = c.id RETURNING d.*
     ), placed AS (
       SELECT t.*, (SELECT count(*) FROM billing_period p WHERE p.tenant_id = t.tenant_id AND p.watermark < t.seq) AS segment
         FROM taken t
     ), summed AS (
       SELECT nextval(pg_get_serial_sequence('usage_delta', 'id')) AS id, g.* FROM (
       SELECT tenant_id, max(seq) AS seq, meter, hour, dimensions, value, sum(quantity) AS quantity,
              sum(event_count) AS event_count, max(last_event_at) AS last_event_at, recorded_hour, segment,
              CASE WHEN sum(event_count) > 1 AND NOT bool_or(times IS NULL AND event_count > 1)
                THEN string_agg(coalesce(times, ${ITS_TIME}), '') END AS times
         FROM placed GROUP BY tenant_id, meter, hour, dimensions, value, recorded_hour, segment,
                CASE WHEN event_count < 0 THEN id END) g
     ), times AS (
       INSERT INTO usage_merged_times (tenant_id, seq, id, times)
       SELECT tenant_id, seq, id, times FROM summed WHERE times IS NOT NULL
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
       INSERT INTO usage_delta (tenant_id, seq, id, meter, hour, dimensions, value, quantity, event_count, last_event_at,
         recorded_hour, merged, covered, covered_count, covered_last_at)
       SELECT r.tenant_id, r.seq, r.id, r.meter, r.hour, r.dimensions, r.value, r.quantity, r.event_count, r.last_event_at,
              r.recorded_hour, true, r.is_ordered AND r.rank > 1,
              CASE WHEN r.is_ordered AND r.rank = 1
                THEN sum(r.event_count) FILTER (WHERE r.is_ordered) OVER cell - r.event_count ELSE 0 END,
              CASE WHEN r.is_ordered AND r.rank = 1
                THEN max(r.last_event_at) FILTER (WHERE r.is_ordered) OVER cell END
         FROM ranked r WINDOW cell AS (PARTITION BY r.meter, r.hour, r.dimensions, r.segment)
     )
     SELECT count(*)::int AS taken FROM taken`,
    [tenantId, hour, limit, ordered.byNumber, ordered.byText, MAX_TIMES_BYTES],
  );
  return rows[0]?.taken ?? 0;
}

const MAX_TIMES_BYTES = 16 << 20;
/** The time of a delta of one event as `packTimes` stores them. */
const ITS_TIME = "decode(lpad(to_hex(last_event_at - hour), 6, '0'), 'hex')";

/** Restores dominated values in these hours of event time after a void retracted one of them. */
export async function restoreHours(
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
