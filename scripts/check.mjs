// `npm run check`: all static checks. All of them run, so that one run shows every problem.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { ROOT, runNpm } from "./install.mjs";

const tool = (name, ...args) => [process.execPath, [`node_modules/${name}`, ...args]];
const { scripts } = JSON.parse(readFileSync(`${ROOT}/package.json`, "utf8"));

const checks = {
  types: () => ["tsconfig.json", "sdk/tsconfig.json"].every(typesFit),
  style: () => passes(tool("@biomejs/biome/bin/biome", "check", "--error-on-warnings", ".")),
  imports: () => passes([process.execPath, ["scripts/imports.mjs"]]),
  readmes: () => passes([process.execPath, ["scripts/readmes.mjs"]]),
  "seeded bugs": () => passes([process.execPath, ["--import", "tsx", "tests/mutants/check.ts"]]),
  "unused code": () => passes(tool("knip/bin/knip.js", "--no-config-hints")),
  commits: () => passes([process.execPath, ["scripts/commits.mjs"]]),
  lock: () => passes([process.execPath, ["scripts/complete-lock.mjs", "--check"]]),
  "prisma clients": () => passes([process.execPath, ["scripts/prisma-generate.mjs", "--check"]]),
  ...("check:schema" in scripts && { schema: () => passes(npm("run", "--silent", "check:schema")) }),
};

if (!existsSync(`${ROOT}/node_modules`)) runNpm(["ci", "--include=dev", "--no-audit", "--no-fund"]);
const failed = Object.entries(checks).filter(([name, check]) => !timed(name, check));
if (failed.length > 0) {
  console.error(`check failed: ${failed.map(([name]) => name).join(", ")}`);
  process.exitCode = 1;
}

function timed(name, check) {
  const start = Date.now();
  const ok = check();
  console.log(`${ok ? "ok    " : "FAILED"} ${name} (${((Date.now() - start) / 1000).toFixed(1)} s)`);
  return ok;
}

function typesFit(project) {
  return passes(tool("typescript/bin/tsc", "-p", project, "--noEmit"));
}

function npm(...args) {
  const cli = process.env.npm_execpath;
  return cli?.endsWith(".js") ? [process.execPath, [cli, ...args]] : ["npm", args];
}

function passes([command, args]) {
  return spawnSync(command, args, { cwd: ROOT, stdio: "inherit" }).status === 0;
}
