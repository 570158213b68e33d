import { cp, mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

/** A folder with one migration, and those of another folder, for tests of what services share. */
export async function migrationOf(sql: string, name = "1_init", others?: string): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), "metrly-migrations-"));
  if (others !== undefined) await cp(others, dir, { recursive: true });
  await mkdir(path.join(dir, name));
  await writeFile(path.join(dir, name, "migration.sql"), sql);
  return dir;
}
