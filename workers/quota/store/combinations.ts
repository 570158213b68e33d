import { LRUCache } from "lru-cache";
import { Decimal } from "#kernel/decimal.js";
import type { Database, Transaction } from "#platform/database/database.js";
import { answered } from "./unreachable.js";

/** A combination of values that usage of a billing period has. */
export interface UsedCombination {
  readonly tenantId: string;
  /** `meter|scope`. */
  readonly scope: string;
  readonly periodStart: number;
  readonly combination: string;
  readonly values: readonly string[];
}

export interface AddedCombinations {
  /** How many a scope has in a period now, where some are new; undefined: as many as before. */
  countOf(scope: Pick<UsedCombination, "tenantId" | "scope" | "periodStart">): number | undefined;
  /** To be called once the transaction is. */
  committed(): void;
}

/** Combinations that are known to be stored, so that usage of known ones costs no row. */
const MOST_KNOWN = 50_000;

export function createCombinations() {
  const known = new LRUCache<string, true>({ max: MOST_KNOWN });

  return {
    /** Stores those that are new, and counts them. */
    async add(tx: Transaction, used: readonly UsedCombination[]): Promise<AddedCombinations> {
      const fresh = new Map<string, UsedCombination>();
      for (const one of used) if (known.get(keyOf(one)) === undefined) fresh.set(keyOf(one), one);
      const sorted = [...fresh.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
      const counts = sorted.length === 0 ? undefined : await insert(tx, sorted);
      return {
        countOf: (scope) => counts?.get(countKeyOf(scope)),
        committed() {
          for (const key of fresh.keys()) known.set(key, true);
        },
      };
    },
  };
}

const keyOf = ({ tenantId, scope, periodStart, combination }: UsedCombination): string =>
  `${tenantId} ${scope} ${periodStart} ${combination}`;

const countKeyOf = ({ tenantId, scope, periodStart }: Omit<UsedCombination, "combination" | "values">): string =>
  `${tenantId} ${scope} ${periodStart}`;

interface CountRow {
  readonly tenant_id: string;
  readonly scope: string;
  readonly period_start: Date;
  readonly combinations: number;
}

/** Returns the counts that changed. The values go as one JSON text: arrays of arrays must all be of one length. */
async function insert(tx: Transaction, all: readonly UsedCombination[]): Promise<ReadonlyMap<string, number>> {
  const { rows } = await tx.query<CountRow>(
    `WITH added AS (
       INSERT INTO combination (tenant_id, scope, period_start, id, dimensions)
       SELECT t, s, p, i, ARRAY(SELECT jsonb_array_elements_text(v::jsonb))
       FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::text[]) AS used (t, s, p, i, v)
       ON CONFLICT DO NOTHING RETURNING tenant_id, scope, period_start
     )
     INSERT INTO combination_count AS held (tenant_id, scope, period_start, combinations)
     SELECT tenant_id, scope, period_start, count(*) FROM added GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
     ON CONFLICT (tenant_id, scope, period_start) DO UPDATE SET combinations = held.combinations + excluded.combinations
     RETURNING tenant_id, scope, period_start, combinations`,
    [
      all.map(({ tenantId }) => tenantId),
      all.map(({ scope }) => scope),
      all.map(({ periodStart }) => new Date(periodStart)),
      all.map(({ combination }) => combination),
      all.map(({ values }) => JSON.stringify(values)),
    ],
  );
  return new Map(
    rows.map(({ tenant_id: tenantId, scope, period_start, combinations }) => [
      countKeyOf({ tenantId, scope, periodStart: period_start.getTime() }),
      Number(combinations),
    ]),
  );
}

/** Which combinations of a limit are wanted. */
export interface WantedCombinations {
  readonly tenantId: string;
  readonly scope: string;
  /** Of these billing periods. */
  readonly periodsSince: number;
  /** Places in the scope's `by`, from 0, and the values that are wanted there. */
  readonly matches: readonly { readonly place: number; readonly value: string }[];
  /** What their totals are summed over. */
  readonly grain: string;
  readonly since: number;
  readonly until: number;
}

/** The values of the combinations that were used most between two moments, most first. */
export async function mostUsed(
  { pool }: Pick<Database, "pool">,
  wanted: WantedCombinations,
  most: number,
): Promise<readonly { readonly values: readonly string[]; readonly used: Decimal }[]> {
  const { tenantId, scope, periodsSince, matches, grain, since, until } = wanted;
  const { rows } = await answered(
    pool.query<{ readonly dimensions: readonly string[]; readonly used: string }>(
      `SELECT c.dimensions, COALESCE(sum(t.total), 0)::text AS used
       FROM (SELECT DISTINCT id, dimensions FROM combination
              WHERE tenant_id = $1 AND scope = $2 AND period_start >= $3
                AND NOT EXISTS (SELECT 1 FROM unnest($4::int[], $5::text[]) AS m (place, value)
                                 WHERE dimensions[m.place] IS DISTINCT FROM m.value)) AS c
       LEFT JOIN scoped_total t ON t.tenant_id = $1 AND t.series = $2 || '|' || c.id AND t.grain = $6
         AND t.bucket_start >= $7 AND t.bucket_start < $8
       GROUP BY c.id, c.dimensions ORDER BY COALESCE(sum(t.total), 0) DESC, c.dimensions LIMIT $9`,
      [
        ...[tenantId, scope, new Date(periodsSince)],
        ...[matches.map(({ place }) => place + 1), matches.map(({ value }) => value)],
        ...[grain, new Date(since), new Date(until), most],
      ],
    ),
  );
  return rows.map(({ dimensions, used }) => ({ values: dimensions, used: new Decimal(used) }));
}
