import { type EventsOfHour, lastRemaining } from "../rules/event-times.js";
import { groupByQuery, type Queryable, type UsageQuery } from "./usage.js";

/** When the last event that was not voided happened, of one cell and bucket. */
export interface LastEvent {
  readonly meter: string;
  /** JSON array, as stored. */
  readonly dimensions: string;
  readonly value: string;
  readonly bucket: number;
  readonly lastEventAt: number;
}

interface Row extends Omit<LastEvent, "lastEventAt"> {
  readonly n: number;
  readonly hour: number;
  readonly known: number | null;
  readonly voided: readonly number[] | null;
  readonly lasts: readonly number[] | null;
  readonly counts: readonly number[] | null;
  readonly times: readonly (Buffer | null)[] | null;
}

/**
 * The last remaining events of cells with voids, all queries in one statement. The last hour with more events than voids has it: the
 * last of a delta there, unless a void is of that moment. Only deltas of which that is so are read event by event.
 */
export async function readLastEvents(q: Queryable, queries: readonly UsageQuery[]): Promise<LastEvent[][]> {
  const { rows } = await q.query<Row>(
    `WITH seen AS (
       SELECT w.n, CASE WHEN w.bucket = 0 THEN w.from_at ELSE d.hour / w.bucket * w.bucket END AS bucket,
              d.tenant_id, d.seq, d.id, d.meter, d.dimensions, d.value, d.hour, d.event_count, d.times,
              d.event_count + d.covered_count AS counted, (greatest(d.last_event_at, d.covered_last_at) - d.hour)::int AS last
         FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::bigint[])
                WITH ORDINALITY AS w(tenant_id, from_at, to_at, max_seq, recorded_before, meter, bucket, n)
         JOIN usage_delta d ON d.tenant_id = w.tenant_id AND d.hour >= w.from_at AND d.hour < w.to_at
          AND d.seq <= w.max_seq AND d.recorded_hour < w.recorded_before AND NOT d.covered
          AND (w.meter IS NULL OR d.meter = w.meter)
     ), remaining AS (
       SELECT n, bucket, meter, dimensions, value, hour FROM seen
        GROUP BY n, bucket, meter, dimensions, value, hour HAVING sum(counted) > 0
     ), latest AS (
       SELECT n, bucket, meter, dimensions, value, max(hour) AS hour FROM remaining
        GROUP BY n, bucket, meter, dimensions, value
     ), marked AS (
       SELECT s.*, count(*) FILTER (WHERE s.event_count < 0)
                     OVER (PARTITION BY s.n, s.bucket, s.meter, s.dimensions, s.value, s.last) > 0 AS has_void
         FROM latest JOIN seen s USING (n, bucket, meter, dimensions, value, hour)
     ), judged AS (
       SELECT m.*, max(m.last) FILTER (WHERE m.event_count > 0 AND NOT m.has_void)
                     OVER (PARTITION BY m.n, m.bucket, m.meter, m.dimensions, m.value) AS known
         FROM marked m
     ), wanted AS (
       SELECT j.*, j.known IS NULL OR j.last > j.known AS is_later, coalesce(j.times, t.times) AS all_times
         FROM judged j LEFT JOIN usage_merged_times t ON (t.tenant_id, t.seq, t.id) = (j.tenant_id, j.seq, j.id)
          AND j.event_count > 0 AND (j.known IS NULL OR j.last > j.known)
     )
     SELECT n, meter, dimensions, value, bucket, hour, max(known) AS known,
            array_agg(last) FILTER (WHERE event_count < 0 AND is_later) AS voided,
            array_agg(last) FILTER (WHERE event_count > 0 AND is_later) AS lasts,
            array_agg(event_count::int) FILTER (WHERE event_count > 0 AND is_later) AS counts,
            array_agg(all_times) FILTER (WHERE event_count > 0 AND is_later) AS times
       FROM wanted GROUP BY n, meter, dimensions, value, bucket, hour`,
    [
      queries.map((w) => w.tenantId),
      queries.map((w) => w.from),
      queries.map((w) => w.to),
      queries.map((w) => w.maxSeq),
      queries.map((w) => w.recordedBefore),
      queries.map((w) => w.meter),
      queries.map((w) => w.bucketMs),
    ],
  );
  return groupByQuery(rows, queries.length, lastEventOf).map((found) => found.flat());
}

function lastEventOf({ meter, dimensions, value, bucket, hour, ...events }: Row): LastEvent[] {
  const last = lastRemaining(eventsOf(events));
  return last === undefined ? [] : [{ meter, dimensions, value, bucket, lastEventAt: hour + last }];
}

function eventsOf({
  known,
  voided,
  lasts,
  counts,
  times,
}: Pick<Row, "known" | "voided" | "lasts" | "counts" | "times">) {
  const deltas = (lasts ?? []).map((last, at) => ({ last, count: counts?.[at] ?? 0, times: times?.[at] ?? null }));
  return { known, voided: voided ?? [], deltas } satisfies EventsOfHour;
}
