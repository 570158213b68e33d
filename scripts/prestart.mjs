// Makes `npm start` work in a fresh clone and after an update: installs and builds as needed. Runs before dependencies
// are installed: node builtins only.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { missingInstall, ROOT, requireNode, run, runNpm } from "./install.mjs";

const STAMP = `${ROOT}/dist/.built-from`;

requireNode();
const install = missingInstall({ dev: false });
const sources = hashSources();
const isBuilt = existsSync(STAMP) && readFileSync(STAMP, "utf8") === sources;
const steps = [...(install ? ["installs its dependencies"] : []), ...(isBuilt ? [] : ["compiles"])];
if (steps.length > 0) console.log(`Metrly ${steps.join(" and ")}; this happens only now and after an update.`);
if (install) runNpm(install);
if (!isBuilt) build();

/** A digest of the build's inputs by content: timestamps mislead after a checkout. */
function hashSources() {
  const { include } = JSON.parse(readFileSync(`${ROOT}/tsconfig.build.json`, "utf8"));
  const hash = createHash("sha256");
  for (const file of ["package.json", "package-lock.json", "tsconfig.json", "tsconfig.build.json"]) add(hash, file);
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

function build() {
  rmSync(`${ROOT}/dist`, { recursive: true, force: true });
  run(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"]);
  writeFileSync(STAMP, sources);
}
