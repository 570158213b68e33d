import type { Database, Transaction } from "#platform/database/database.js";
import type { SavedPart } from "../counters/counters.js";
import { answered } from "./unreachable.js";

/** Counters that live in a process, between its orderly stop and the next start. */

/** How much is written or read at once, in characters of state and in tenants. */
const SLICE_CHARACTERS = 4_000_000;
const SLICE_PARTS = 1_000;
const TENANTS_AT_ONCE = 500;

/** Saves all parts or nothing, in slices; replaces what was saved before. */
export async function saveCounters(database: Database, parts: AsyncIterable<SavedPart>): Promise<void> {
  await answered(
    database.transaction(async (tx) => {
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

/** Takes the saved parts of some tenants, in order: each is valid for one start only. Empty: there are no more. */
export async function takeSavedCounters(database: Database): Promise<readonly SavedPart[]> {
  const { rows } = await answered(
    database.pool.query<{ readonly tenant_id: string; readonly part: number; readonly state: string }>(
      `WITH sized AS (
         SELECT tenant_id, sum(octet_length(state)) AS bytes FROM saved_counters GROUP BY tenant_id
         ORDER BY tenant_id LIMIT $1
       ), chosen AS (
         SELECT tenant_id, sum(bytes) OVER (ORDER BY tenant_id) - bytes AS before FROM sized
       ), taken AS (
         DELETE FROM saved_counters USING chosen
         WHERE saved_counters.tenant_id = chosen.tenant_id AND before < $2
         RETURNING saved_counters.tenant_id, part, state
       )
       SELECT * FROM taken ORDER BY tenant_id, part`,
      [TENANTS_AT_ONCE, SLICE_CHARACTERS],
    ),
  );
  return rows.map(({ tenant_id, part, state }) => ({ tenantId: tenant_id, part, state }));
}

/** Forgets what was saved. */
export async function dropSavedCounters(database: Database): Promise<void> {
  await answered(database.pool.query("DELETE FROM saved_counters"));
}
