import type { Database } from "#platform/database/database.js";
import { BOUNDS_KEPT_MS, TOTALS_KEPT_MS } from "../rules/windows.js";

/** The system's time, and that of each tenant with a test clock. */
export interface Clocks {
  readonly now: number;
  readonly testClocks: ReadonlyMap<string, number>;
}

/** Deletes what no window reaches any more, by each tenant's own clock. Periods' totals and emitted alerts stay. */
export async function pruneUsage(database: Database, clocks: Clocks): Promise<void> {
  await deleteBefore(database, "usage_total", "grain", TOTALS_KEPT_MS, clocks);
  await deleteBefore(database, "granted_bound", "quota_window", BOUNDS_KEPT_MS, clocks);
}

async function deleteBefore(
  database: Database,
  table: "usage_total" | "granted_bound",
  column: "grain" | "quota_window",
  keptMs: readonly (readonly [string, number])[],
  { now, testClocks }: Clocks,
): Promise<void> {
  const clocks: readonly (readonly [string | null, number])[] = [[null, now], ...testClocks];
  const horizons = clocks.flatMap(([tenantId, at]) =>
    keptMs.map(([name, ms]) => ({ tenantId, name, before: at - ms })),
  );
  await database.pool.query(
    `DELETE FROM ${table} t USING unnest($1::text[], $2::text[], $3::timestamptz[]) AS h (tenant_id, name, before)
      WHERE t.${column} = h.name AND t.bucket_start < h.before
        AND CASE WHEN h.tenant_id IS NULL THEN NOT t.tenant_id = ANY ($4::text[]) ELSE t.tenant_id = h.tenant_id END`,
    [
      horizons.map(({ tenantId }) => tenantId),
      horizons.map(({ name }) => name),
      horizons.map(({ before }) => new Date(before)),
      [...testClocks.keys()],
    ],
  );
}
