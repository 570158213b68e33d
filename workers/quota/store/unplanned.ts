import { Decimal } from "#kernel/decimal.js";
import type { Transaction } from "#platform/database/database.js";
import { seriesOf, UNPLANNED, unplannedDimensions } from "../rules/scopes.js";
import type { UnplannedTotal } from "../rules/usage-reading.js";

/** All usage of these meters that was recorded before anybody knew by what it would be counted, in billing periods from `since` on. */
export async function unplannedTotals(
  tx: Pick<Transaction, "query">,
  meters: readonly { readonly tenantId: string; readonly meter: string; readonly since: number }[],
): Promise<readonly UnplannedTotal[]> {
  const { rows } = await tx.query<{
    readonly tenant_id: string;
    readonly meter: string;
    readonly dimensions: readonly string[];
    readonly bucket_start: Date;
    readonly total: string;
  }>(
    `SELECT c.tenant_id, w.meter, c.dimensions, t.bucket_start, t.total::text AS total
     FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) AS w (tenant_id, meter, scope, since)
     JOIN combination c ON c.tenant_id = w.tenant_id AND c.scope = w.scope AND c.period_start >= w.since
     JOIN scoped_total t ON t.tenant_id = c.tenant_id AND t.series = c.scope || '|' || c.id
       AND t.grain = 'BILLING_PERIOD' AND t.bucket_start = c.period_start`,
    [
      meters.map(({ tenantId }) => tenantId),
      meters.map(({ meter }) => meter),
      meters.map(({ meter }) => seriesOf(meter, UNPLANNED)),
      meters.map(({ since }) => new Date(since)),
    ],
  );
  return rows.map(({ tenant_id, meter, dimensions, bucket_start, total }) => ({
    ...{ tenantId: tenant_id, meter, dimensions: unplannedDimensions(dimensions) },
    ...{ bucketStart: bucket_start.getTime(), total: new Decimal(total) },
  }));
}
