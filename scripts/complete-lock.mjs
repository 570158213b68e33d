// Some registries lack other platforms' optional binaries. npm then drops those entries from the lock and `npm ci` fails
// elsewhere (EUSAGE, "Missing … from lock file"). This restores them, with os and cpu from the package's name. `--check`
// only fails when an entry is missing.
import { readFileSync, writeFileSync } from "node:fs";

const LOCK = new URL("../package-lock.json", import.meta.url);
const OS = ["android", "darwin", "freebsd", "linux", "win32", "openharmony", "sunos", "aix", "netbsd", "openbsd"];
const CPU = ["arm64", "x64", "ia32", "arm", "ppc64", "s390x", "riscv64", "loong64", "wasm32"];
const EXACT = /^\d+\.\d+\.\d+[\w.-]*$/;

const lock = JSON.parse(readFileSync(LOCK, "utf8"));
const missing = [];
for (const [at, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (EXACT.test(version) && !isReachable(at, name)) missing.push({ name, version });
  }
}

if (process.argv.includes("--check")) {
  if (missing.length > 0) {
    console.error(
      `package-lock.json lacks ${missing.map((m) => m.name).join(", ")}: run node scripts/complete-lock.mjs`,
    );
    process.exit(1);
  }
} else {
  for (const { name, version } of missing) lock.packages[`node_modules/${name}`] = entryFor(name, version);
  lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(LOCK, `${JSON.stringify(lock, null, 2)}\n`);
  console.log(`completed package-lock.json with ${missing.length} optional entries`);
}

/** Whether node's resolution from the package at `from` finds `name` in the lock. */
function isReachable(from, name) {
  for (let dir = from; ; dir = dir.slice(0, Math.max(0, dir.lastIndexOf("/node_modules/")))) {
    if (lock.packages[`${dir ? `${dir}/` : ""}node_modules/${name}`]) return true;
    if (!dir) return false;
    if (!dir.includes("/node_modules/")) dir = "";
  }
}

function entryFor(name, version) {
  const words = name.split(/[/_-]/);
  const os = OS.filter((o) => words.includes(o)).slice(0, 1);
  const cpu = CPU.filter(
    (c) =>
      words.includes(c) ||
      (c === "arm" && words.some((w) => /^arm(v\d+\w*|hf|eabihf)?$/.test(w))) ||
      (c === "ppc64" && words.includes("ppc64le")),
  ).slice(0, 1);
  return { version, ...(cpu.length > 0 && { cpu }), optional: true, ...(os.length > 0 && { os }) };
}
