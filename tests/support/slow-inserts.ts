import type { Pool } from "#platform/database/session.js";

/**
 * From now on a statement that inserts more than `rows` rows into the table fails as one that took too long: with the code of
 * PostgreSQL's `statement_timeout`, but at once. Call the result to end it.
 */
export async function refuseLargeInserts(pool: Pool, table: string, rows: number): Promise<() => Promise<void>> {
  await pool.query(`
    CREATE FUNCTION refuse_large_inserts() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF (SELECT count(*) FROM inserted) > ${rows} THEN RAISE EXCEPTION 'too long' USING ERRCODE = '57014'; END IF;
      RETURN NULL;
    END $$;
    CREATE TRIGGER refuse_large_inserts AFTER INSERT ON ${table} REFERENCING NEW TABLE AS inserted
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_large_inserts();
  `);
  return async () => {
    await pool.query(`DROP TRIGGER refuse_large_inserts ON ${table}; DROP FUNCTION refuse_large_inserts`);
  };
}
