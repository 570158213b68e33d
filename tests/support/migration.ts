import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

/** A folder with one migration, for tests of what services share. */
export async function migrationOf(sql: string): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), "metrly-migrations-"));
  await mkdir(path.join(dir, "1_init"));
  await writeFile(path.join(dir, "1_init", "migration.sql"), sql);
  return dir;
}
