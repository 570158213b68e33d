import { afterAll, beforeAll } from "vitest";
import { type Database, openDatabase } from "#platform/database/database.js";
import { createMigratedDatabase } from "../../../tests/servers/migrated.js";
import type { TestDatabase } from "../../../tests/servers/servers.js";
import { PATIENT_LIMITS } from "../../../tests/support/patient-limits.js";

/** Quota's database for the tests of a file, without a service. */
export function quotaDatabase(): () => Database {
  let created: TestDatabase | undefined;
  let database: Database | undefined;
  beforeAll(async () => {
    created = await createMigratedDatabase("quota");
    database = await openDatabase({ url: created.url, profiles: PATIENT_LIMITS, onError: () => undefined });
  });
  afterAll(async () => {
    await database?.stop();
    await created?.drop();
  });
  return () => {
    if (database === undefined) throw new Error("used before it was opened");
    return database;
  };
}
