// Runs before dependencies are installed: node builtins only.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));

const OLDEST = [20, 19];

/** Exits with a message when this Node is too old. */
export function requireNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return;
  console.error(`Metrly needs Node ${OLDEST.join(".")} or newer; this is ${process.version}.`);
  process.exit(1);
}

/**
 * The `npm ci` command that makes node_modules match package-lock.json; undefined when it matches. npm records the
 * installed packages. Keeps development dependencies when present.
 */
export function missingInstall({ dev }) {
  const wanted = JSON.parse(readFileSync(`${ROOT}/package-lock.json`, "utf8")).packages;
  const record = `${ROOT}/node_modules/.package-lock.json`;
  const installed = existsSync(record) ? JSON.parse(readFileSync(record, "utf8")).packages : {};
  const hasDev = Object.values(installed).some((entry) => entry.dev === true);
  const isMissing = ([at, entry]) =>
    at !== "" &&
    entry.link !== true &&
    entry.optional !== true &&
    entry.devOptional !== true &&
    (dev || entry.dev !== true) &&
    (installed[at]?.version !== entry.version || !existsSync(`${ROOT}/${at}/package.json`));
  if (!Object.entries(wanted).some(isMissing)) return undefined;
  const scope = dev || hasDev ? "--include=dev" : "--omit=dev";
  return ["ci", scope, "--no-audit", "--no-fund", "--loglevel=error"];
}

/** Runs a program in the project's folder; exits when it fails. */
export function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"] });
  if (error) console.error(`${command}: ${error.message}`);
  if (status !== 0) process.exit(status ?? 1);
}

export function runNpm(args) {
  const npm = process.env.npm_execpath;
  if (npm?.endsWith(".js")) run(process.execPath, [npm, ...args]);
  else run("npm", args);
}
