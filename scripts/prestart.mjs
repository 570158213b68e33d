// Makes `npm start` work in a fresh clone and after an update: installs and builds as needed. Runs before dependencies
// are installed: node builtins only.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { hashSources, STAMP } from "./built-from.mjs";
import { installWithProgress, missingInstall, requireNode, run } from "./install.mjs";

requireNode();
const install = missingInstall({ dev: false });
const sources = hashSources();
const isBuilt = existsSync(STAMP) && readFileSync(STAMP, "utf8") === sources;
const steps = [
  ...(install ? [`installs its dependencies (${install.reason}; about a minute on a fast line)`] : []),
  ...(isBuilt ? [] : ["builds (some seconds)"]),
];
if (steps.length > 0) console.log(`Metrly ${steps.join(" and ")}; this happens only now and after an update.`);
if (install) await installWithProgress(install.args);
if (!isBuilt) build();

function build() {
  run(process.execPath, ["scripts/build.mjs"]);
  writeFileSync(STAMP, sources);
}
