import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { openDatabase } from "#platform/database/database.js";
import { startEmbeddedPostgres } from "#platform/embedded-postgres/postgres.js";
import { DEFAULT_NAMESPACE } from "#platform/process/config.js";
import { migrationsDirOf } from "#platform/process/package-root.js";
import { SERVICES } from "#platform/process/services.js";
import { once } from "./once.js";

const run = promisify(execFile);

/** Puts an embedded PostgreSQL without databases into a new data directory: a copy of one that is created once for all tests. */
export const placeCluster = (dataDir: string): Promise<void> => place("cluster", createCluster, dataDir);

/**
 * The same with the empty, migrated databases of an installation. To create server and databases takes several times the CPU of
 * everything else that a start does.
 */
export const placeDatabases = (dataDir: string): Promise<void> => place("databases", createDatabases, dataDir);

async function place(name: string, create: (folder: string) => Promise<void>, dataDir: string): Promise<void> {
  const made = await once(name, create);
  // With its owner: PostgreSQL refuses files of another user.
  await run("cp", ["-a", path.join(made, "postgres"), dataDir]);
}

async function createCluster(folder: string): Promise<void> {
  const server = await startEmbeddedPostgres({ dataDir: folder });
  try {
    await cheapenLogins(server.url("postgres"));
  } finally {
    await server.stop();
  }
}

/** With each connection a client derives its key: in milliseconds, unless the password was set with fewer iterations. */
async function cheapenLogins(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(CHEAP_LOGINS);
    await client.query(`ALTER ROLE CURRENT_USER PASSWORD ${pg.escapeLiteral(new URL(url).password)}`);
  } finally {
    await client.end();
  }
}

const CHEAP_LOGINS = "SET scram_iterations = 1";

async function createDatabases(folder: string): Promise<void> {
  await placeCluster(folder);
  const server = await startEmbeddedPostgres({ dataDir: folder, settings: { fsync: "off" } });
  try {
    for (const name of [...SERVICES, "log"] as const) {
      const url = server.url(`${DEFAULT_NAMESPACE}_${name}`);
      const onError = (): void => undefined;
      const database = await openDatabase({ url, migrationsDir: migrationsDirOf(name), onError });
      await database.stop();
    }
  } finally {
    await server.stop();
  }
}
