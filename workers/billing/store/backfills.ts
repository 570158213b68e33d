import { Decimal } from "#kernel/decimal.js";
import { MetrlyError } from "#kernel/errors.js";
import { rowsOf } from "#platform/database/cursor.js";
import type { Sessions, Transaction } from "#platform/database/database.js";
import type { CellPart, CountDelta, UsageDelta } from "../rules/fold.js";
import type { Queryable } from "./usage.js";

/**
 * The preparation of a backfill, one at a time per partition: what is staged is its own. It lives as long as something is staged, or
 * it says so, every `LEASE_MS`; then another one may replace it, and it writes nothing more.
 */
export interface Attempt {
  readonly partition: number;
  readonly id: number;
}

/** Shorter than a takeover of the partition takes, after a crash. */
const LEASE_MS = 10_000;
const UNTIL = `clock_timestamp() + ${LEASE_MS} * interval '1 millisecond'`;

/**
 * Begins an attempt, which nothing is staged of. `seq`: of the backfill's entry, which the caller applies next; `own`: an earlier attempt of
 * this process, which it has given up. Throws BUSY while another one lives, and when another process has applied the entry.
 */
export async function beginAttempt(
  sessions: Sessions,
  { partition, seq, own }: { readonly partition: number; readonly seq: number; readonly own: number | undefined },
): Promise<Attempt> {
  return sessions.transaction(async (tx) => {
    // It would wait for one that is being applied, and for so long that the wait would seem to be the backfill's own work.
    const known = await tx.query("SELECT FROM backfill_attempt WHERE partition = $1", [partition]);
    const free = await tx.query("SELECT FROM backfill_attempt WHERE partition = $1 FOR UPDATE SKIP LOCKED", [
      partition,
    ]);
    if (known.rowCount !== free.rowCount) throw prepares(partition);
    await tx.query(
      "DELETE FROM backfill_attempt WHERE partition = $1 AND (alive_until < clock_timestamp() OR attempt = $2)",
      [partition, own ?? null],
    );
    const { rows } = await tx.query<{ attempt: number }>(
      `INSERT INTO backfill_attempt (partition, alive_until) VALUES ($1, ${UNTIL}) ON CONFLICT DO NOTHING RETURNING attempt`,
      [partition],
    );
    // Not `= seq - 1`: in a rebuild of one tenant others' entries are left out.
    const { rowCount: isToCome } = await tx.query("SELECT FROM high_water_mark WHERE partition = $1 AND seq < $2", [
      partition,
      seq,
    ]);
    const [begun] = rows;
    if (begun === undefined || isToCome !== 1)
      throw new MetrlyError("BUSY", `another process prepares or has applied the backfill of partition ${partition}`);
    // Of an attempt that was interrupted.
    for (const table of STAGED) await tx.query(`DELETE FROM ${table} WHERE partition = $1`, [partition]);
    return { partition, id: begun.attempt };
  });
}

/** Gives up an attempt whose preparation failed. What it staged is deleted with the next one's begin. */
export async function endAttempt(q: Queryable, { partition, id }: Attempt): Promise<void> {
  await q.query("DELETE FROM backfill_attempt WHERE partition = $1 AND attempt = $2", [partition, id]);
}

/** Ends all attempts: for who alone may write to these tables. */
export async function endAttempts(q: Queryable): Promise<void> {
  await q.query("DELETE FROM backfill_attempt");
}

const STAGED = ["backfill_part", "backfill_delta", "backfill_count"];

const KEEP = `UPDATE backfill_attempt SET alive_until = ${UNTIL} WHERE partition = $1 AND attempt = $2 RETURNING partition`;

/** Says that the attempt lives. In a transaction no other attempt begins until its end. Throws BUSY when it was replaced. */
export async function keepAttempt(q: Queryable, { partition, id }: Attempt): Promise<void> {
  assertKept((await q.query(KEEP, [partition, id])).rowCount, 1, partition);
}

function assertKept(written: number | null, wanted: number, partition: number): void {
  if (written !== wanted) throw prepares(partition);
}

const prepares = (partition: number): MetrlyError =>
  new MetrlyError("BUSY", `another process prepares the backfill of partition ${partition} now`);

/** Adds parts behind those before `place`; throws BUSY when the attempt was replaced. */
export async function stageParts(
  q: Queryable,
  { partition, id }: Attempt,
  place: number,
  parts: readonly CellPart[],
): Promise<void> {
  if (parts.length === 0) return;
  const { rowCount } = await q.query(
    `WITH kept AS (${KEEP})
     INSERT INTO backfill_part (partition, place, tenant_id, hour, dimensions, value, is_voids, quantity, times)
     SELECT kept.partition, $3 + n, tenant_id, hour, dimensions, value, is_voids, quantity, times
       FROM kept, unnest($4::text[], $5::bigint[], $6::text[], $7::text[], $8::boolean[], $9::numeric[], $10::bytea[])
                    WITH ORDINALITY AS p(tenant_id, hour, dimensions, value, is_voids, quantity, times, n)`,
    [
      partition,
      id,
      place,
      parts.map((p) => p.tenantId),
      parts.map((p) => p.hour),
      parts.map((p) => p.dimensions),
      parts.map((p) => p.value),
      parts.map((p) => p.isVoids),
      parts.map((p) => p.quantity.toFixed()),
      parts.map((p) => p.times),
    ],
  );
  assertKept(rowCount, parts.length, partition);
}

/** The same of counts. */
export async function stageCounts(
  q: Queryable,
  { partition, id }: Attempt,
  place: number,
  counts: readonly CountDelta[],
): Promise<void> {
  if (counts.length === 0) return;
  const { rowCount } = await q.query(
    `WITH kept AS (${KEEP})
     INSERT INTO backfill_count (partition, place, tenant_id, hour, counted)
     SELECT kept.partition, $3 + n, tenant_id, hour, counted
       FROM kept, unnest($4::text[], $5::bigint[], $6::bigint[]) WITH ORDINALITY AS c(tenant_id, hour, counted, n)`,
    [partition, id, place, counts.map((c) => c.tenantId), counts.map((c) => c.hour), counts.map((c) => c.counted)],
  );
  assertKept(rowCount, counts.length, partition);
}

interface PartRow extends Omit<CellPart, "quantity"> {
  readonly quantity: string;
}

/** Each with up to the times of a whole part. */
const PARTS_AT_ONCE = 250;

/** All staged parts, as `mergeParts` takes them, in memory that does not grow with their number. */
export async function* stagedParts(tx: Transaction, { partition }: Attempt): AsyncGenerator<CellPart, undefined> {
  const rows = rowsOf<PartRow>(
    tx,
    `SELECT tenant_id AS "tenantId", hour, dimensions, value, is_voids AS "isVoids", quantity::text AS quantity, times
       FROM backfill_part WHERE partition = $1
      ORDER BY tenant_id COLLATE "C", hour, dimensions COLLATE "C", value COLLATE "C", is_voids DESC, place`,
    [partition],
    { rowsAtOnce: PARTS_AT_ONCE },
  );
  for await (const row of rows) yield { ...row, quantity: new Decimal(row.quantity) };
  return undefined;
}

/** Adds deltas behind those before `place`, in a transaction that keeps the attempt. */
export async function stageDeltas(
  tx: Transaction,
  { partition }: Attempt,
  place: number,
  deltas: readonly UsageDelta[],
): Promise<void> {
  await tx.query(
    `INSERT INTO backfill_delta (partition, place, tenant_id, hour, dimensions, value, quantity, event_count, last_event_at, times)
     SELECT $1, $2 + n, tenant_id, hour, dimensions, value, quantity, event_count, last_event_at, times
       FROM unnest($3::text[], $4::bigint[], $5::text[], $6::text[], $7::numeric[], $8::bigint[], $9::bigint[], $10::bytea[])
              WITH ORDINALITY AS d(tenant_id, hour, dimensions, value, quantity, event_count, last_event_at, times, n)`,
    [
      partition,
      place,
      deltas.map((d) => d.tenantId),
      deltas.map((d) => d.hour),
      deltas.map((d) => d.dimensions),
      deltas.map((d) => d.value),
      deltas.map((d) => d.quantity.toFixed()),
      deltas.map((d) => d.eventCount),
      deltas.map((d) => d.lastEventAt),
      deltas.map((d) => d.times),
    ],
  );
}

/** Removes the parts, which are merged. */
export async function dropParts(tx: Transaction, { partition }: Attempt): Promise<void> {
  await tx.query("DELETE FROM backfill_part WHERE partition = $1", [partition]);
}

/** What is staged, by its last places. */
export interface Staged {
  readonly deltas: number;
  readonly counts: number;
}

/** Rows of one statement: others get the partition of a process that is frozen between two of them. */
const MOVED_AT_ONCE = 10_000;

/**
 * Ends the attempt in the transaction of the backfill's entry: what is staged becomes usage. Throws BUSY when the attempt was
 * replaced.
 */
export async function moveStaged(
  tx: Transaction,
  { partition, id }: Attempt,
  { deltas, counts }: Staged,
  { meter, seq, recordedHour }: Pick<UsageDelta, "meter" | "seq" | "recordedHour">,
): Promise<void> {
  const ended = await tx.query("DELETE FROM backfill_attempt WHERE partition = $1 AND attempt = $2", [partition, id]);
  assertKept(ended.rowCount, 1, partition);
  for (let place = 0; place < deltas; place += MOVED_AT_ONCE)
    await tx.query(
      `WITH moved AS (DELETE FROM backfill_delta WHERE partition = $1 AND place > $2 AND place <= $3 RETURNING *)
       INSERT INTO usage_delta
         (tenant_id, seq, meter, hour, dimensions, value, quantity, event_count, last_event_at, recorded_hour, times)
       SELECT tenant_id, $5, $4, hour, dimensions, value, quantity, event_count, last_event_at, $6, times FROM moved`,
      [partition, place, place + MOVED_AT_ONCE, meter, seq, recordedHour],
    );
  for (let place = 0; place < counts; place += MOVED_AT_ONCE)
    await tx.query(
      `WITH moved AS (DELETE FROM backfill_count WHERE partition = $1 AND place > $2 AND place <= $3 RETURNING *)
       INSERT INTO usage_count AS c (tenant_id, hour, counted, unmetered)
       SELECT tenant_id, hour, counted, -counted FROM moved
       ON CONFLICT (tenant_id, hour) DO UPDATE
         SET counted = c.counted + excluded.counted, unmetered = c.unmetered + excluded.unmetered`,
      [partition, place, place + MOVED_AT_ONCE],
    );
}
