import { readFileSync } from "node:fs";
import path from "node:path";
import { packageRoot } from "#platform/process/package-root.js";

/** The installed version of a package; `root`: below whose node_modules, by default the checkout's. */
export function versionOf(name: string, root: string = packageRoot()): string {
  const { version }: { version: string } = JSON.parse(
    readFileSync(path.join(root, "node_modules", name, "package.json"), "utf8"),
  );
  return version;
}
