import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of package.json, from the sources and from dist alike. */
export function packageRoot(): string {
  let folder = path.dirname(fileURLToPath(import.meta.url));
  while (!existsSync(path.join(folder, "package.json"))) folder = path.dirname(folder);
  return folder;
}

/** Where the migrations of a service's database are, or of `log`. */
export const migrationsDirOf = (database: string): string => path.join(packageRoot(), "prisma", database, "migrations");
