import type { Transaction } from "#platform/database/database.js";
import { newUuid } from "#platform/lifecycle/random.js";
import type { Folded } from "../rules/fold.js";
import { boundedDeltas, columnsOf, countColumnsOf, DELTA_COLUMNS, type Queryable } from "./usage.js";

/** One attempt to prepare a backfill. What it adds is kept in the database: it may be more than memory. */
export interface Attempt {
  readonly partition: number;
  readonly id: string;
}

/** How many rows an attempt kept. */
export interface Kept {
  readonly deltas: number;
  readonly counts: number;
}

const DELETED_AT_ONCE = 20_000;

/** Begins an attempt, and deletes what earlier ones of the partition left behind. */
export async function beginAttempt(q: Queryable, partition: number): Promise<Attempt> {
  for (const table of ["prepared_delta", "prepared_count"]) {
    for (let deleted = DELETED_AT_ONCE; deleted === DELETED_AT_ONCE; ) {
      const { rowCount } = await q.query(
        `DELETE FROM ${table} WHERE partition = $1 AND (attempt, id) IN (
           SELECT attempt, id FROM ${table} WHERE partition = $1 LIMIT ${DELETED_AT_ONCE})`,
        [partition],
      );
      deleted = rowCount ?? 0;
    }
  }
  return { partition, id: newUuid() };
}

/** Keeps one part. */
export async function keepPart(q: Queryable, { partition, id }: Attempt, { deltas, counts }: Folded): Promise<void> {
  for (const part of boundedDeltas(deltas)) {
    await q.query(
      `INSERT INTO prepared_delta (partition, attempt, ${DELTA_COLUMNS})
       SELECT $12, $13, d.* FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::numeric[],
                                        $8::bigint[], $9::bigint[], $10::bigint[], $11::bytea[]) AS d`,
      [...columnsOf(part), partition, id],
    );
  }
  await q.query(
    `INSERT INTO prepared_count (partition, attempt, tenant_id, hour, counted, unmetered)
     SELECT $5, $6, c.* FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) AS c`,
    [...countColumnsOf(counts), partition, id],
  );
}

/** Appends what an attempt kept, and deletes it. Throws when some of it is gone: it is prepared again. */
export async function appendPrepared(tx: Transaction, { partition, id }: Attempt, kept: Kept): Promise<void> {
  const deltas = await tx.query(
    `INSERT INTO usage_delta (${DELTA_COLUMNS})
     SELECT ${DELTA_COLUMNS} FROM prepared_delta WHERE partition = $1 AND attempt = $2 ORDER BY id`,
    [partition, id],
  );
  const counts = await tx.query<{ kept: number }>(
    `WITH counts AS (
       SELECT tenant_id, hour, counted, unmetered FROM prepared_count WHERE partition = $1 AND attempt = $2
     ), added AS (
       INSERT INTO usage_count AS c (tenant_id, hour, counted, unmetered)
       SELECT tenant_id, hour, sum(counted), sum(unmetered) FROM counts GROUP BY tenant_id, hour
       ON CONFLICT (tenant_id, hour) DO UPDATE
         SET counted = c.counted + excluded.counted, unmetered = c.unmetered + excluded.unmetered
     )
     SELECT count(*)::int AS kept FROM counts`,
    [partition, id],
  );
  if (deltas.rowCount !== kept.deltas || counts.rows[0]?.kept !== kept.counts)
    throw new Error(`what a backfill of partition ${partition} adds is not all there: another attempt has begun`);
  for (const table of ["prepared_delta", "prepared_count"])
    await tx.query(`DELETE FROM ${table} WHERE partition = $1 AND attempt = $2`, [partition, id]);
}
