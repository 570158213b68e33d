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
    values: [partition, ...columnsOf(scopes)],
  });
  for (const { place, value } of rows) found.get(scopes[place - 1]?.key ?? "")?.add(value);
  return found;
}

/** How many values are counted in each of these scopes, and which of these uses are among them. */
export async function readDimensionUses(
  tx: Transaction,
  partition: number,
  scopes: readonly DimensionScope[],
  uses: readonly DimensionUse[],
): Promise<Map<string, { readonly size: number; readonly values: ReadonlySet<string> }>> {
  const sizes = await tx.query<{ place: number; size: number }>({
    name: "dimension-sizes",
    text: `SELECT s.place, (SELECT count(*)::int FROM dimension_value d WHERE d.partition = $1 AND d.tenant_id = s.tenant_id
             AND d.meter = s.meter AND d.period_start_ms = s.period_start_ms) AS size
           FROM unnest($2::text[], $3::text[], $4::bigint[]) WITH ORDINALITY AS s (tenant_id, meter, period_start_ms, place)`,
    values: [partition, ...columnsOf(scopes)],
  });
  const known = await tx.query<{ place: number }>({
    name: "dimension-uses",
    text: `SELECT u.place FROM unnest($2::text[], $3::text[], $4::bigint[], $5::uuid[])
             WITH ORDINALITY AS u (tenant_id, meter, period_start_ms, value, place)
           JOIN dimension_value d ON d.partition = $1 AND d.tenant_id = u.tenant_id AND d.meter = u.meter
             AND d.period_start_ms = u.period_start_ms AND d.value = u.value`,
    values: [partition, ...columnsOf(uses.map(({ scope }) => scope)), uses.map(({ value }) => value)],
  });
  const values = new Map(scopes.map(({ key }) => [key, new Set<string>()]));
  for (const { place } of known.rows) {
    const use = uses[place - 1];
    if (use !== undefined) values.get(use.scope.key)?.add(use.value);
  }
  return new Map(
    sizes.rows.flatMap(({ place, size }) => {
      const key = scopes[place - 1]?.key ?? "";
      return [[key, { size, values: values.get(key) ?? new Set() }]];
    }),
  );
}

const columnsOf = (scopes: readonly DimensionScope[]) => [
  scopes.map(({ tenantId }) => tenantId),
  scopes.map(({ meter }) => meter.id),
  scopes.map(({ period }) => period.start),
];

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
