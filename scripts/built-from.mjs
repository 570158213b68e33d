// Runs before dependencies are installed: node builtins only.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { ROOT } from "./install.mjs";

/** The file in the build that says what it was built from. */
export const STAMP = `${ROOT}/dist/.built-from`;

/** A digest of the build's inputs by content: timestamps mislead after a checkout. */
export function hashSources() {
  const { include } = JSON.parse(readFileSync(`${ROOT}/tsconfig.build.json`, "utf8"));
  const hash = createHash("sha256");
  for (const file of ["package.json", "package-lock.json", "tsconfig.json", "tsconfig.build.json", "scripts/build.mjs"])
    add(hash, file);
  for (const folder of include) {
    if (!existsSync(`${ROOT}/${folder}`)) continue;
    const names = readdirSync(`${ROOT}/${folder}`, { recursive: true, encoding: "utf8" });
    for (const name of names.sort())
      if (/(?<!\.(test|testing|conformance))\.ts$/.test(name)) add(hash, `${folder}/${name}`);
  }
  return hash.digest("hex");
}

function add(hash, file) {
  hash
    .update(`${file}\0`)
    .update(readFileSync(`${ROOT}/${file}`))
    .update("\0");
}
