import { HOUR_MS } from "#kernel/duration.js";
import type { Database } from "#platform/database/database.js";
import { SCOPED_PERIOD_KEPT_MS, TOTALS_KEPT_MS } from "../rules/windows.js";

/** The counters' time, and that of each tenant with a test clock. */
export interface Clocks {
  readonly now: number;
  readonly testClocks: ReadonlyMap<string, number>;
}

/** How long bounds are stored after their end: the tolerated difference between clocks. */
export const ENDED_BOUNDS_KEPT_MS = HOUR_MS;

/**
 * Deletes totals that no window reaches any more and bounds that have ended, by each tenant's own clock. Meters' totals of periods
 * and emitted alerts stay.
 */
export async function pruneUsage(database: Database, { now, testClocks }: Clocks): Promise<void> {
  // Null: every tenant without a clock of its own.
  const clocks: readonly (readonly [string | null, number])[] = [[null, now], ...testClocks];
  const ownClocks = [...testClocks.keys()];
  const horizons = clocks.flatMap(([tenantId, at]) =>
    TOTALS_KEPT_MS.map(([grain, ms]) => ({ tenantId, grain, before: new Date(at - ms) })),
  );
  const scopedHorizons = [
    ...horizons,
    ...clocks.map(([tenantId, at]) => ({
      tenantId,
      grain: "BILLING_PERIOD",
      before: new Date(at - SCOPED_PERIOD_KEPT_MS),
    })),
  ];
  for (const [table, kept] of [
    ["usage_total", horizons],
    ["scoped_total", scopedHorizons],
  ] as const)
    await database.pool.query(
      `DELETE FROM ${table} t USING unnest($2::text[], $3::text[], $4::timestamptz[]) AS h (tenant_id, grain, before)
        WHERE t.grain = h.grain AND t.bucket_start < h.before AND ${BY_ITS_CLOCK}`,
      [
        ownClocks,
        kept.map(({ tenantId }) => tenantId),
        kept.map(({ grain }) => grain),
        kept.map(({ before }) => before),
      ],
    );
  for (const table of ["combination", "combination_count"])
    await database.pool.query(
      `DELETE FROM ${table} t USING unnest($2::text[], $3::timestamptz[]) AS h (tenant_id, before)
        WHERE t.period_start < h.before AND ${BY_ITS_CLOCK}`,
      [ownClocks, clocks.map(([tenantId]) => tenantId), clocks.map(([, at]) => new Date(at - SCOPED_PERIOD_KEPT_MS))],
    );
  await database.pool.query(
    `DELETE FROM granted_bound t USING unnest($2::text[], $3::timestamptz[]) AS h (tenant_id, before)
      WHERE t.expires_at < h.before AND ${BY_ITS_CLOCK}`,
    [ownClocks, clocks.map(([tenantId]) => tenantId), clocks.map(([, at]) => new Date(at - ENDED_BOUNDS_KEPT_MS))],
  );
}

const BY_ITS_CLOCK =
  "CASE WHEN h.tenant_id IS NULL THEN NOT t.tenant_id = ANY ($1::text[]) ELSE t.tenant_id = h.tenant_id END";
