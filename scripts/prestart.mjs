// Makes `npm start` work in a fresh clone and after an update: installs and builds as needed. Runs before dependencies
// are installed: node builtins only.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { hashSources, STAMP } from "./built-from.mjs";
import { installWithProgress, missingInstall, requireNode, run } from "./install.mjs";

requireNode();
const install = missingInstall({ dev: false });
const sources = hashSources();
const isBuilt = existsSync(STAMP) && readFileSync(STAMP, "utf8") === sources;
if (install || !isBuilt) console.log("Only now, and after an update:");
if (install) {
  console.log(`Installing dependencies (${install.reason}; about a minute on a fast line)`);
  await installWithProgress(install.args);
}
if (!isBuilt) build();

function build() {
  console.log("Building (some seconds)");
  run(process.execPath, ["scripts/build.mjs"]);
  writeFileSync(STAMP, sources);
}
