import type { Pool } from "#platform/database/session.js";

/**
 * The next update of the table's rows fails as one whose session is ended, as after a stop of the machine. Call the result to end it,
 * which throws if there was none.
 */
export async function refuseOnce(pool: Pool, table: string): Promise<() => Promise<void>> {
  // Sequences are not rolled back.
  await pool.query(`
    CREATE SEQUENCE refusal;
    CREATE FUNCTION refuse_once() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF nextval('refusal') = 1 THEN RAISE EXCEPTION 'ended' USING ERRCODE = '25P03'; END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER refuse_once BEFORE UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION refuse_once();
  `);
  return async () => {
    const { rows } = await pool.query("SELECT is_called FROM refusal");
    await pool.query(`DROP TRIGGER refuse_once ON ${table}; DROP FUNCTION refuse_once; DROP SEQUENCE refusal`);
    if (!rows[0]?.is_called) throw new Error(`nobody updated ${table}`);
  };
}
