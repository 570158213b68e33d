import type pg from "pg";
import type { Transaction } from "./database.js";

const ROWS_AT_ONCE = 1_000;

/**
 * The rows of a statement in its one snapshot, a thousand at a time: for results that may be larger than the process's memory.
 * One at a time in a transaction. Throws the signal's reason instead of reading on when it aborts.
 */
export async function* rowsOf<Row extends pg.QueryResultRow>(
  tx: Transaction,
  sql: string,
  parameters: readonly unknown[],
  signal?: AbortSignal,
): AsyncGenerator<Row, undefined> {
  signal?.throwIfAborted();
  await tx.query(`DECLARE part_by_part NO SCROLL CURSOR FOR ${sql}`, [...parameters]);
  let isUsable = true;
  try {
    for (;;) {
      signal?.throwIfAborted();
      // A statement that fails ends the transaction, and the cursor with it.
      isUsable = false;
      const { rows } = await tx.query<Row>(`FETCH ${ROWS_AT_ONCE} FROM part_by_part`);
      isUsable = true;
      yield* rows;
      if (rows.length < ROWS_AT_ONCE) return undefined;
    }
  } finally {
    if (isUsable) await tx.query("CLOSE part_by_part");
  }
}
