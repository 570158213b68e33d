import { Decimal } from "#kernel/decimal.js";
import type { Database } from "#platform/database/database.js";
import type { Amount, BoundGrant, LoweredBound, StoredBound } from "../counters/counters.js";
import { amountOf, amountText } from "../rules/amount.js";
import { answered } from "./unreachable.js";

/** Granted bounds, durable: see `gate/bounds.ts` for the order in which they are raised and lowered. */

export interface RaisedBound {
  readonly tenantId: string;
  readonly epoch: string;
  readonly id: string;
  readonly bound: Amount;
  readonly expiresAt: number;
}

export interface HeldBound extends BoundGrant {
  readonly tenantId: string;
  readonly epoch: string;
}

export interface BoundRows {
  /** Raises bounds, each row once at most; returns what is granted now. */
  raise(bounds: readonly RaisedBound[]): Promise<readonly HeldBound[]>;
  /**
   * Tenants with bounds, at most so many, those first whose bounds end last: some may have ended, for a test tenant's time is
   * not known here.
   */
  holders(most: number): Promise<readonly string[]>;
  /** What is granted to these tenants, in every epoch. */
  heldBy(tenantIds: readonly string[]): Promise<readonly HeldBound[]>;
  /** Lowers the bounds whose rows still have the given version. */
  lower(bounds: readonly LoweredBound[]): Promise<LowerOutcome>;
}

export const createBoundRows = (database: Database): BoundRows => ({
  raise: (bounds) => raiseBounds(database, bounds),
  lower: (bounds) => lowerBounds(database, bounds),
  async holders(most) {
    const { rows } = await answered(
      database.pool.query<{ tenant_id: string }>(
        "SELECT tenant_id FROM granted_bound WHERE bound > 0 GROUP BY tenant_id ORDER BY max(expires_at) DESC LIMIT $1",
        [most],
      ),
    );
    return rows.map((row) => row.tenant_id);
  },
  async heldBy(tenantIds) {
    const { rows } = await answered(
      database.pool.query<BoundRow>(
        `SELECT tenant_id, epoch, id, bound::text AS bound, expires_at, version
         FROM granted_bound WHERE tenant_id = ANY ($1) AND bound > 0`,
        [tenantIds],
      ),
    );
    return rows.map(heldBound);
  },
});

interface BoundRow {
  readonly tenant_id: string;
  readonly epoch: string;
  readonly id: string;
  readonly bound: string;
  readonly expires_at: Date;
  readonly version: number;
}

const heldBound = (row: BoundRow): HeldBound => ({
  tenantId: row.tenant_id,
  epoch: row.epoch,
  id: row.id,
  bound: amountOf(new Decimal(row.bound)),
  until: row.expires_at.getTime(),
  version: row.version,
});

/** Every writer locks rows in one order, so that two processes cannot deadlock. */
function inOrder<T extends { readonly tenantId: string; readonly epoch: string; readonly id: string }>(
  bounds: readonly T[],
): readonly T[] {
  const key = ({ tenantId, epoch, id }: T): string => `${tenantId} ${epoch} ${id}`;
  return [...bounds].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

async function raiseBounds(database: Database, bounds: readonly RaisedBound[]): Promise<readonly HeldBound[]> {
  const sorted = inOrder(bounds);
  const { rows } = await answered(
    database.pool.query<BoundRow>(
      `INSERT INTO granted_bound AS held (tenant_id, epoch, id, bound, expires_at, version)
       SELECT t, e, i, b, x, nextval('granted_bound_version')
       FROM unnest($1::text[], $2::text[], $3::text[], $4::numeric[], $5::timestamptz[]) AS r (t, e, i, b, x)
       ON CONFLICT (tenant_id, epoch, id)
       DO UPDATE SET bound = GREATEST(held.bound, excluded.bound), version = nextval('granted_bound_version'),
                     expires_at = GREATEST(held.expires_at, excluded.expires_at)
       RETURNING tenant_id, epoch, id, bound::text AS bound, expires_at, version`,
      [
        sorted.map(({ tenantId }) => tenantId),
        sorted.map(({ epoch }) => epoch),
        sorted.map(({ id }) => id),
        sorted.map(({ bound }) => amountText(bound)),
        sorted.map(({ expiresAt }) => new Date(expiresAt)),
      ],
    ),
  );
  return rows.map(heldBound);
}

export interface LowerOutcome {
  /** Those whose rows follow, and those whose rows have ended and are gone. */
  readonly lowered: readonly StoredBound[];
  /** What is granted where the row has another version. */
  readonly held: readonly HeldBound[];
}

async function lowerBounds(database: Database, bounds: readonly LoweredBound[]): Promise<LowerOutcome> {
  const sorted = inOrder(bounds);
  const { rows } = await answered(
    database.pool.query<BoundRow & { readonly n: number; readonly next_version: number | null }>(
      `WITH wanted AS (
         SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::numeric[], $6::timestamptz[], $7::bigint[])
           AS w (n, tenant_id, epoch, id, bound, expires_at, version)
       ), locked AS (
         SELECT g.* FROM granted_bound g JOIN wanted USING (tenant_id, epoch, id)
         ORDER BY tenant_id, epoch, id FOR UPDATE OF g
       ), followed AS (
         UPDATE granted_bound g
         SET bound = w.bound, expires_at = w.expires_at, version = nextval('granted_bound_version')
         FROM locked l JOIN wanted w USING (tenant_id, epoch, id, version)
         WHERE g.tenant_id = w.tenant_id AND g.epoch = w.epoch AND g.id = w.id
         RETURNING w.n, g.version
       )
       SELECT w.n, CASE WHEN l.id IS NULL THEN w.version ELSE f.version END AS next_version,
              w.tenant_id, w.epoch, w.id, l.bound::text AS bound, l.expires_at, l.version
       FROM wanted w LEFT JOIN locked l USING (tenant_id, epoch, id) LEFT JOIN followed f USING (n)`,
      [
        sorted.map((_, index) => index),
        sorted.map(({ tenantId }) => tenantId),
        sorted.map(({ epoch }) => epoch),
        sorted.map(({ id }) => id),
        sorted.map(({ bound }) => amountText(bound)),
        sorted.map(({ until }) => new Date(until)),
        sorted.map(({ version }) => version),
      ],
    ),
  );
  const lowered: StoredBound[] = [];
  const held: HeldBound[] = [];
  for (const row of rows) {
    const [wanted, nextVersion] = [sorted[row.n], row.next_version];
    if (nextVersion === null) held.push(heldBound(row));
    else if (wanted !== undefined) lowered.push({ ...wanted, nextVersion });
  }
  return { lowered, held };
}
