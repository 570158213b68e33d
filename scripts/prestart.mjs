// Makes `npm start` work in a fresh clone and after an update: installs and builds as needed. Runs before dependencies
// are installed: node builtins only.
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { hashSources, STAMP } from "./built-from.mjs";
import { missingInstall, requireNode, run, runNpm } from "./install.mjs";

requireNode();
const install = missingInstall({ dev: false });
const sources = hashSources();
const isBuilt = existsSync(STAMP) && readFileSync(STAMP, "utf8") === sources;
const steps = [...(install ? ["installs its dependencies"] : []), ...(isBuilt ? [] : ["compiles"])];
if (steps.length > 0) console.log(`Metrly ${steps.join(" and ")}; this happens only now and after an update.`);
if (install) runNpm(install);
if (!isBuilt) build();

function build() {
  rmSync(path.dirname(STAMP), { recursive: true, force: true });
  run(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"]);
  writeFileSync(STAMP, sources);
}
