import type { Database, Transaction } from "#platform/database/database.js";
import type { SavedPart } from "../counters/counters.js";
import { answered } from "./unreachable.js";

/** Counters that live in a process, between its orderly stop and the next start. */

/** How much is written or read at once, in characters of state and in tenants. */
const SLICE_CHARACTERS = 4_000_000;
const SLICE_PARTS = 1_000;
const TENANTS_AT_ONCE = 500;

/**
 * Saves all parts or nothing, in slices; replaces what was saved before. Saves nothing if another process has started since
 * `start`: it decides without what would be saved, so that this must never count again.
 */
export async function saveCounters(database: Database, start: number, parts: AsyncIterable<SavedPart>): Promise<void> {
  await answered(
    database.under("rebuild").transaction(async (tx) => {
      const { rowCount } = await tx.query("SELECT FROM counters_start WHERE number = $1 FOR UPDATE", [start]);
      if (rowCount === 0) return;
      await tx.query("DELETE FROM saved_counters");
      let slice: SavedPart[] = [];
      let characters = 0;
      for await (const part of parts) {
        slice.push(part);
        characters += part.state.length;
        if (characters < SLICE_CHARACTERS && slice.length < SLICE_PARTS) continue;
        await insertParts(tx, slice);
        [slice, characters] = [[], 0];
      }
      if (slice.length > 0) await insertParts(tx, slice);
    }),
  );
}

/** One parameter per value: arrays of long texts cost several times as much to write and to read. */
async function insertParts(tx: Transaction, parts: readonly SavedPart[]): Promise<void> {
  const rows = parts.map((_, index) => `($${3 * index + 1}, $${3 * index + 2}, $${3 * index + 3})`);
  await tx.query(
    `INSERT INTO saved_counters (tenant_id, part, state) VALUES ${rows.join()}`,
    parts.flatMap(({ tenantId, part, state }) => [tenantId, part, state]),
  );
}

/**
 * Begins a start, and gives `use` what is saved for it, some tenants at a time, all parts of each in order; it answers whether
 * it needs more. What is saved is gone afterwards, and stays if this fails or the process ends before. Waits for a process that
 * saves or starts at the same time. Returns the number of the start.
 */
export function takeSavedCounters(
  database: Database,
  use: (parts: readonly SavedPart[]) => Promise<boolean>,
): Promise<number> {
  return database.under("rebuild").transaction(async (tx) => {
    const { rows } = await tx.query<{ readonly number: number }>(
      "UPDATE counters_start SET number = number + 1 RETURNING number",
    );
    let parts = await readParts(tx, null);
    while (parts.length > 0 && (await use(parts))) parts = await readParts(tx, parts.at(-1)?.tenantId ?? null);
    await tx.query("DELETE FROM saved_counters");
    const [start] = rows;
    if (start === undefined) throw new Error("quota's database has no number of starts");
    return start.number;
  });
}

/** Those of the tenants that follow one; null: of the first. Empty: there are no more. */
async function readParts(tx: Transaction, after: string | null): Promise<readonly SavedPart[]> {
  const { rows } = await tx.query<{ readonly tenant_id: string; readonly part: number; readonly state: string }>(
    `WITH sized AS (
       SELECT tenant_id, sum(octet_length(state)) AS bytes FROM saved_counters
       WHERE $3::text IS NULL OR tenant_id > $3
       GROUP BY tenant_id ORDER BY tenant_id LIMIT $1
     ), chosen AS (
       SELECT tenant_id, sum(bytes) OVER (ORDER BY tenant_id) - bytes AS before FROM sized
     )
     SELECT tenant_id, part, state FROM chosen JOIN saved_counters USING (tenant_id)
     WHERE before < $2 ORDER BY tenant_id, part`,
    [TENANTS_AT_ONCE, SLICE_CHARACTERS, after],
  );
  return rows.map(({ tenant_id, part, state }) => ({ tenantId: tenant_id, part, state }));
}
