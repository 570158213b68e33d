// Runs before dependencies are installed: node builtins only.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { constants } from "node:os";
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
 * What makes node_modules match package-lock.json: `args` of npm, and `reason`, a phrase; undefined when it matches. npm
 * records the installed packages. Keeps development dependencies when present.
 */
export function missingInstall({ dev }) {
  const record = `${ROOT}/node_modules/.package-lock.json`;
  const installed = existsSync(record) ? JSON.parse(readFileSync(record, "utf8")).packages : {};
  const hasDev = Object.values(installed).some((entry) => entry.dev === true);
  const isMissing = ([at, entry]) => installed[at]?.version !== entry.version || !isThere(at);
  const all = needed({ dev });
  const missing = all.filter(isMissing);
  if (missing.length === 0) return undefined;
  const scope = dev || hasDev ? "--include=dev" : "--omit=dev";
  return {
    args: ["ci", scope, "--no-audit", "--no-fund", "--loglevel=error"],
    reason:
      missing.length === all.length
        ? `${all.length} packages`
        : reasonOf(
            missing.map(([at]) => at),
            all.length,
          ),
  };
}

const MAX_NAMED = 3;

function reasonOf(missing, count) {
  const names = missing.slice(0, MAX_NAMED).map((at) => at.replace(/^.*node_modules\//, ""));
  const more = missing.length > MAX_NAMED ? ["…"] : [];
  const verb = missing.length === 1 ? "is missing or has" : "are missing or have";
  return `${missing.length} of ${count} packages ${verb} another version: ${[...names, ...more].join(", ")}`;
}

/** The packages that npm brings to every machine, by their folders. */
function needed({ dev }) {
  const { packages } = JSON.parse(readFileSync(`${ROOT}/package-lock.json`, "utf8"));
  return Object.entries(packages).filter(
    ([at, entry]) =>
      at.startsWith("node_modules/") &&
      entry.link !== true &&
      entry.optional !== true &&
      entry.devOptional !== true &&
      (dev || entry.dev !== true),
  );
}

const STOP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];

const isThere = (at) => existsSync(`${ROOT}/${at}/package.json`);

/** Differs after a package was installed again; undefined: it is not there. */
const stampOf = (at) => statSync(`${ROOT}/${at}/package.json`, { throwIfNoEntry: false })?.ctimeMs;

/**
 * Runs `npm` with `args`, an install without development dependencies, and says how far it is: npm itself shows that it is busy.
 * Exits when it fails, and at once after a signal.
 */
export async function installWithProgress(args) {
  // npm deletes what is there before it installs: only what is new counts, and what was counted stays counted.
  const before = new Map(needed({ dev: false }).map(([at]) => [at, stampOf(at)]));
  const isNew = (at) => ![undefined, before.get(at)].includes(stampOf(at));
  const installed = new Set();
  const isTerminal = process.stdout.isTTY === true;
  let last = "";
  function say() {
    for (const at of before.keys()) if (!installed.has(at) && isNew(at)) installed.add(at);
    const count = String(installed.size).padStart(String(before.size).length);
    const text = `  ${count} of ${before.size} packages`;
    if (text !== last) process.stdout.write(isTerminal ? `\r${text}` : `${text}\n`);
    last = text;
  }
  const timer = setInterval(say, isTerminal ? 500 : 10_000);
  const [command, ...first] = npmCommand();
  const npm = spawn(command, [...first, ...args, "--no-progress"], { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  // Shown below the count, not in it.
  for (const stream of [npm.stdout, npm.stderr])
    stream.on("data", (chunk) => {
      said += chunk;
    });
  // By itself npm would go on for up to a minute and then delete what it has installed. The next install does that first.
  let stoppedBy;
  for (const signal of STOP_SIGNALS)
    process.on(signal, () => {
      stoppedBy ??= signal;
      npm.kill("SIGKILL");
    });
  const status = await new Promise((resolve) => {
    npm.once("error", (error) => {
      console.error(`${command}: ${error.message}`);
      resolve(1);
    });
    npm.once("close", (code, signal) => resolve(signal === null ? code : 128 + constants.signals[signal]));
  });
  clearInterval(timer);
  if (stoppedBy !== undefined) {
    process.stdout.write(`${isTerminal ? "\n" : ""}Stopped before all was installed; the next start begins anew.\n`);
    process.exit(128 + constants.signals[stoppedBy]);
  }
  if (status === 0) {
    say();
    // npm counts optional packages of other machines, too.
    said = said.replace(/^(?:added|changed|removed) \d.* in \S+\n?/m, "");
  }
  process.stdout.write(`${isTerminal && last !== "" ? "\n" : ""}${said.trim() === "" ? "" : said.trimStart()}`);
  if (status !== 0) process.exit(status ?? 1);
  for (const signal of STOP_SIGNALS) process.removeAllListeners(signal);
}

/** Runs a program in the project's folder; exits when it fails. */
export function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"] });
  if (error) console.error(`${command}: ${error.message}`);
  if (status !== 0) process.exit(status ?? 1);
}

export function runNpm(args) {
  const [command, ...first] = npmCommand();
  run(command, [...first, ...args]);
}

/** The npm that runs this, or else that of the PATH. */
function npmCommand() {
  const npm = process.env.npm_execpath;
  return npm?.endsWith(".js") ? [process.execPath, npm] : ["npm"];
}
