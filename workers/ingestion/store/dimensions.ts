import type { Transaction } from "#platform/database/database.js";
import type { DimensionScope, DimensionUse } from "../rules/event-reading.js";

/** The counted dimension values in each of these scopes, as uuid text; complete under the cursor's lock. */
export async function readDimensionValues(
  tx: Transaction,
  partition: number,
  scopes: readonly DimensionScope[],
): Promise<Map<string, Set<string>>> {
  const found = new Map(scopes.map(({ key }) => [key, new Set<string>()]));
  if (scopes.length === 0) return found;
  const { rows } = await tx.query<{ place: number; value: string }>({
    name: "dimension-values",
    text: `SELECT s.place, d.value
           FROM unnest($2::text[], $3::text[], $4::bigint[]) WITH ORDINALITY AS s (tenant_id, meter, period_start_ms, place)
           JOIN dimension_value d ON d.partition = $1 AND d.tenant_id = s.tenant_id AND d.meter = s.meter
             AND d.period_start_ms = s.period_start_ms`,
    values: [
      partition,
      scopes.map(({ tenantId }) => tenantId),
      scopes.map(({ meter }) => meter.id),
      scopes.map(({ period }) => period.start),
    ],
  });
  for (const { place, value } of rows) found.get(scopes[place - 1]?.key ?? "")?.add(value);
  return found;
}

export async function saveDimensionValues(
  tx: Transaction,
  partition: number,
  uses: readonly DimensionUse[],
): Promise<void> {
  if (uses.length === 0) return;
  await tx.query({
    name: "save-dimension-values",
    text: `INSERT INTO dimension_value (partition, tenant_id, meter, period_start_ms, value)
           SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::uuid[]) ON CONFLICT DO NOTHING`,
    values: [
      partition,
      uses.map(({ scope }) => scope.tenantId),
      uses.map(({ scope }) => scope.meter.id),
      uses.map(({ scope }) => scope.period.start),
      uses.map(({ value }) => value),
    ],
  });
}
