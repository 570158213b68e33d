import { readFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { type Database, openDatabase } from "#platform/database/database.js";
import { migrationsDirOf, packageRoot } from "#platform/process/package-root.js";
import { createTestDatabase } from "../../servers/servers.js";
import { differenceFromSchema } from "../../support/schema-engine.js";

const SERVICES = ["tenancy", "ingestion", "billing", "quota", "notification"];

/** Everything that Prisma's schema language cannot express. */
const BEYOND_PRISMA = `
  SELECT 'partial index ' || indexrelid::regclass AS line FROM pg_index JOIN pg_class t ON t.oid = indrelid
   WHERE t.relnamespace = 'public'::regnamespace AND indpred IS NOT NULL
  UNION ALL SELECT 'check ' || conname FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace
  UNION ALL SELECT 'trigger ' || tgname || ' on ' || tgrelid::regclass FROM pg_trigger WHERE NOT tgisinternal
  UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
  UNION ALL SELECT 'view ' || viewname FROM pg_views WHERE schemaname = 'public'
  UNION ALL SELECT 'partitioned table ' || partrelid::regclass FROM pg_partitioned_table`;

/** Statements that change a database away from its schema, with the expected difference. */
const CHANGES = {
  "ALTER TABLE invoice ALTER total TYPE numeric(20, 2)": "Altered column `total` (type changed)",
  "ALTER TABLE invoice ALTER sha256 DROP NOT NULL": "Altered column `sha256` (changed from Nullable to Required)",
  "ALTER TABLE usage_delta ALTER merged DROP DEFAULT": "Altered column `merged` (default changed",
  "ALTER TABLE usage_count ADD extra text": "Removed column `extra`",
  "DROP TABLE meter_backfill": "Added tables",
  "ALTER TABLE invoice DROP CONSTRAINT invoice_tenant_id_period_start_key": "Added unique index on columns",
  "DROP INDEX invoice_line_by_period": "Added index on columns",
};

async function withMigrated(service: string, use: (database: Database, schema: string) => Promise<void>) {
  const { url, drop } = await createTestDatabase(`schemas_${service}`);
  try {
    const migrationsDir = migrationsDirOf(service);
    const database = await openDatabase({ url, migrationsDir, onError: () => undefined });
    try {
      await use(database, await readFile(path.join(packageRoot(), "prisma", service, "schema.prisma"), "utf8"));
    } finally {
      await database.stop();
    }
  } finally {
    await drop();
  }
}

test.each(SERVICES)("the migrated database of %s is the one that its schema.prisma describes", (service) =>
  withMigrated(service, async ({ pool, url }, schema) => {
    expect(await differenceFromSchema(url, schema)).toBe("");
    const listed = [...schema.matchAll(/^\/\/ - (.+)$/gm)].map(([, line]) => line);
    const { rows } = await pool.query<{ line: string }>(BEYOND_PRISMA);
    expect(listed.sort()).toEqual(rows.map(({ line }) => line).sort());
  }),
);

test("a difference between a database and its schema is found", () =>
  withMigrated("billing", async ({ pool, url }, schema) => {
    for (const change of Object.keys(CHANGES)) await pool.query(change);
    const difference = await differenceFromSchema(url, schema);
    for (const said of Object.values(CHANGES)) expect(difference).toContain(said);
  }));
