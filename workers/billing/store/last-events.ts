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

/**
 * The last remaining events of cells with voids, all queries in one statement. A void takes away what is recorded for its event's
 * time, and an hour without remaining events counts nothing. Where a delta sums up several events of an hour, only the time of
 * its last is known, which stays.
 */
export async function readLastEvents(q: Queryable, queries: readonly UsageQuery[]): Promise<LastEvent[][]> {
  const { rows } = await q.query<LastEvent & { readonly n: number }>(
    `WITH moments AS (
       SELECT w.n, w.from_at, w.bucket, d.meter, d.dimensions, d.value, d.hour,
              greatest(d.last_event_at, d.covered_last_at) AS last, sum(d.event_count + d.covered_count) AS remaining,
              sum(sum(d.event_count + d.covered_count))
                OVER (PARTITION BY w.n, d.meter, d.dimensions, d.value, d.hour) AS of_hour
         FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::bigint[])
                WITH ORDINALITY AS w(tenant_id, from_at, to_at, max_seq, recorded_before, meter, bucket, n)
         JOIN usage_delta d ON d.tenant_id = w.tenant_id AND d.hour >= w.from_at AND d.hour < w.to_at
          AND d.seq <= w.max_seq AND d.recorded_hour < w.recorded_before AND NOT d.covered
          AND (w.meter IS NULL OR d.meter = w.meter)
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
     )
     SELECT n, meter, dimensions, value, CASE WHEN bucket = 0 THEN from_at ELSE hour / bucket * bucket END AS bucket,
            max(last) AS "lastEventAt"
       FROM moments WHERE remaining > 0 AND of_hour > 0
      GROUP BY 1, 2, 3, 4, 5`,
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
  return groupByQuery(rows, queries.length, ({ n: _, ...last }) => last);
}
