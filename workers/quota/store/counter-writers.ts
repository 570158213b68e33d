import type { Database } from "#platform/database/database.js";
import type { WriterRows } from "../counters/counters.js";
import { answered } from "./unreachable.js";

/** Rows of other lives that are older are removed: their store has gone on without them. */
const OTHER_LIVES = "interval '1 hour'";

/**
 * Durable: a loss of Redis does not reach them. An entry is later than all before it, wherever the clock is, so that they tell which
 * life began last. Throws `DatabaseUnreachable`.
 */
export const createWriterRows = ({ pool }: Database): WriterRows => ({
  async enter(writer, life) {
    await answered(
      pool.query(
        `WITH ended AS (
           DELETE FROM counter_writer WHERE life <> $2 AND entered_at < now() - ${OTHER_LIVES} AND writer <> $1
         )
         INSERT INTO counter_writer (writer, life, entered_at)
         SELECT $1, $2, GREATEST(now(), max(entered_at) + interval '1 ms') FROM counter_writer
         ON CONFLICT (writer) DO UPDATE SET life = $2, last = NULL, entered_at = excluded.entered_at`,
        [writer, life],
      ),
    );
  },
  async of(life) {
    const { rows } = await answered(
      pool.query<{ readonly writer: string; readonly last: number | null }>(
        `SELECT writer, last FROM counter_writer
         WHERE life = $1 AND (SELECT max(entered_at) FROM counter_writer WHERE life = $1) >
               (SELECT COALESCE(max(entered_at), '-infinity') FROM counter_writer WHERE life <> $1)`,
        [life],
      ),
    );
    return rows;
  },
  async leave(writer, last) {
    await answered(pool.query("UPDATE counter_writer SET last = $2 WHERE writer = $1", [writer, last]));
  },
  async forget(writers) {
    await answered(pool.query("DELETE FROM counter_writer WHERE writer = ANY($1)", [writers]));
  },
});
