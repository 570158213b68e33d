// `npm run mutants:score`: installs the mutation tester, apart from the project's own dependencies, and hands over to
// tests/mutation-score (see its README).
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { missingInstall, ROOT, requireNode, runNpm } from "./install.mjs";

const TESTER = `${ROOT}/tests/mutation-score/tester`;
/** Below the checkout, so that the tester finds its vitest. */
const INSTALLED = `${ROOT}/.cache/mutation-score`;
/** The lock of what is installed. */
const STAMP = `${INSTALLED}/installed.json`;

requireNode();
const install = missingInstall({ dev: true });
if (install) runNpm(install.args);
installTester();
const main = ["--import", "tsx", "tests/mutation-score/main.ts", ...process.argv.slice(2)];
process.exitCode = spawnSync(process.execPath, main, { cwd: ROOT, stdio: "inherit" }).status ?? 1;

function installTester() {
  const lock = readFileSync(`${TESTER}/package-lock.json`, "utf8");
  if (existsSync(STAMP) && readFileSync(STAMP, "utf8") === lock) return;
  console.log("Installing the mutation tester...");
  mkdirSync(INSTALLED, { recursive: true });
  for (const name of ["package.json", "package-lock.json"]) copyFileSync(`${TESTER}/${name}`, `${INSTALLED}/${name}`);
  // Its peer is the project's vitest.
  runNpm(["ci", `--prefix=${INSTALLED}`, "--legacy-peer-deps", "--ignore-scripts", "--no-audit", "--no-fund"]);
  writeFileSync(STAMP, lock);
}
