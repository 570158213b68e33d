import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of package.json, from sources and from dist. */
export function packageRoot(): string {
  let folder = path.dirname(fileURLToPath(import.meta.url));
  while (!existsSync(path.join(folder, "package.json"))) folder = path.dirname(folder);
  return folder;
}

/** The migrations folder of a service's database, or of `log`. */
export const migrationsDirOf = (database: string): string => path.join(packageRoot(), "prisma", database, "migrations");
