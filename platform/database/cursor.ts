import type pg from "pg";
import type { Transaction } from "./database.js";

export interface RowsOptions {
  /** Throws its reason instead of reading on when it aborts. */
  readonly signal?: AbortSignal | undefined;
  /** Fewer where a row may be large. */
  readonly rowsAtOnce?: number;
}

const ROWS_AT_ONCE = 1_000;

/**
 * The rows of a statement in its one snapshot, a thousand at a time unless told otherwise: for results that may be larger than the
 * process's memory. One at a time in a transaction.
 */
export async function* rowsOf<Row extends pg.QueryResultRow>(
  tx: Transaction,
  sql: string,
  parameters: readonly unknown[],
  { signal, rowsAtOnce = ROWS_AT_ONCE }: RowsOptions = {},
): AsyncGenerator<Row, undefined> {
  signal?.throwIfAborted();
  await tx.query(`DECLARE part_by_part NO SCROLL CURSOR FOR ${sql}`, [...parameters]);
  let isUsable = true;
  try {
    for (;;) {
      signal?.throwIfAborted();
      // A statement that fails ends the transaction, and the cursor with it.
      isUsable = false;
      const { rows } = await tx.query<Row>(`FETCH ${rowsAtOnce} FROM part_by_part`);
      isUsable = true;
      yield* rows;
      if (rows.length < rowsAtOnce) return undefined;
    }
  } finally {
    if (isUsable) await tx.query("CLOSE part_by_part");
  }
}
