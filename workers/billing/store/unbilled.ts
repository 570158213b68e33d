import type { Transaction } from "#platform/database/database.js";
import type { Unbilled } from "../rules/unbilled.js";

/** The sender chooses types: operators hear of no more of one tenant. */
export const MAX_TOLD_TYPES = 1_000;

interface Key {
  readonly tenant_id: string;
  readonly kind: Unbilled["kind"];
  readonly subject: string;
  readonly period_start: number;
}

/**
 * Those of which operators were not told yet, which this transaction remembers: of two transactions with the same one, only the
 * one that commits first gets it. The others are left out, and a tenant's types beyond `MAX_TOLD_TYPES`.
 */
export async function firstSeen(tx: Transaction, unbilled: readonly Unbilled[]): Promise<readonly Unbilled[]> {
  if (unbilled.length === 0) return [];
  const wanted = new Map(unbilled.map((one) => [textOf(keyOf(one)), one]));
  // In one order: no deadlock.
  const keys = [...wanted].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => keyOf(one));
  const known = new Set((await rowsOf(tx, KNOWN, keys)).map(textOf));
  const fresh = await withinBounds(
    tx,
    keys.filter((key) => !known.has(textOf(key))),
  );
  const added = fresh.length === 0 ? [] : await rowsOf(tx, ADD, fresh);
  return added.flatMap((key) => wanted.get(textOf(key)) ?? []);
}

const KEYS = "unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS w(tenant_id, kind, subject, period_start)";
const KNOWN = `SELECT n.* FROM ${KEYS} JOIN unbilled_notice n USING (tenant_id, kind, subject, period_start)`;
const ADD = `INSERT INTO unbilled_notice (tenant_id, kind, subject, period_start)
  SELECT * FROM ${KEYS} ON CONFLICT DO NOTHING RETURNING *`;

async function rowsOf(tx: Transaction, statement: string, keys: readonly Key[]): Promise<readonly Key[]> {
  const { rows } = await tx.query<Key>(statement, [
    keys.map((key) => key.tenant_id),
    keys.map((key) => key.kind),
    keys.map((key) => key.subject),
    keys.map((key) => key.period_start),
  ]);
  return rows;
}

async function withinBounds(tx: Transaction, fresh: readonly Key[]): Promise<readonly Key[]> {
  const tenants = [...new Set(fresh.filter(({ kind }) => kind === "unmetered").map((key) => key.tenant_id))];
  if (tenants.length === 0) return fresh;
  const { rows } = await tx.query<{ tenant_id: string; told: number }>(
    `SELECT tenant_id, count(*)::int AS told FROM unbilled_notice
     WHERE tenant_id = ANY($1::text[]) AND kind = 'unmetered' GROUP BY tenant_id`,
    [tenants],
  );
  const told = new Map(rows.map((row) => [row.tenant_id, row.told]));
  return fresh.filter(({ tenant_id: tenantId, kind }) => {
    if (kind !== "unmetered") return true;
    const place = (told.get(tenantId) ?? 0) + 1;
    told.set(tenantId, place);
    return place <= MAX_TOLD_TYPES;
  });
}

const keyOf = (one: Unbilled): Key =>
  one.kind === "unmetered"
    ? { tenant_id: one.tenantId, kind: one.kind, subject: one.eventType, period_start: 0 }
    : { tenant_id: one.tenantId, kind: one.kind, subject: one.meter, period_start: one.period.start };

const textOf = (key: Key): string => JSON.stringify([key.tenant_id, key.kind, key.subject, key.period_start]);
