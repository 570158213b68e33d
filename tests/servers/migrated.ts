import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import pg from "pg";
import { openDatabase, withDatabase } from "#platform/database/database.js";
import { migrationsDirOf } from "#platform/process/package-root.js";
import { SERVICES } from "#platform/process/services.js";
import { copyDatabase, createTestDatabase, databaseUrl, type TestDatabase } from "./servers.js";

/** An arbitrary number that no other lock of a test server uses. */
const TEMPLATE_LOCK = 4_711_001;
const templates = new Map<string, Promise<string>>();

/**
 * A database for one test or file with the migrations of `prisma/<database>` applied: a copy of a template that the server's
 * first caller migrates; a changed migration gets a new template.
 */
export async function createMigratedDatabase(database: string): Promise<TestDatabase> {
  return createTestDatabase(database, await templateOf(database));
}

/** All services' databases of an installation in this namespace. */
export async function createDatabasesOf(namespace: string): Promise<void> {
  for (const service of SERVICES) await copyDatabase(`${namespace}_${service}`, await templateOf(service));
}

function templateOf(database: string): Promise<string> {
  const template = templates.get(database) ?? migratedTemplate(database);
  templates.set(database, template);
  return template;
}

async function migratedTemplate(database: string): Promise<string> {
  const migrationsDir = migrationsDirOf(database);
  const name = `template_${database}_${await hashOf(migrationsDir)}`;
  const client = new pg.Client({ connectionString: databaseUrl() });
  await client.connect();
  try {
    // Test files run in separate processes: one migrates, the others wait.
    await client.query("SELECT pg_advisory_lock($1)", [TEMPLATE_LOCK]);
    const { rowCount } = await client.query("SELECT 1 FROM pg_database WHERE datname = $1 AND datistemplate", [name]);
    if (rowCount === 0) {
      // Leftover of a killed run.
      await client.query(`DROP DATABASE IF EXISTS ${name}`);
      const url = withDatabase(databaseUrl(), name);
      const opened = await openDatabase({ url, migrationsDir, onError: () => undefined });
      await opened.stop();
      await client.query(`ALTER DATABASE ${name} IS_TEMPLATE true ALLOW_CONNECTIONS false`);
    }
    return name;
  } finally {
    await client.end();
  }
}

async function hashOf(migrationsDir: string): Promise<string> {
  const files = (await readdir(migrationsDir, { recursive: true })).filter((file) => file.endsWith(".sql")).sort();
  const hash = createHash("sha256");
  for (const file of files) hash.update(file).update(await readFile(path.join(migrationsDir, file)));
  return hash.digest("hex").slice(0, 16);
}
