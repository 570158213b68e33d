// `npm run bench`: the benchmarks of bench/ (see its README).
import { spawnSync } from "node:child_process";
import { missingInstall, ROOT, requireNode, runNpm } from "./install.mjs";

requireNode();
const install = missingInstall({ dev: true });
if (install) runNpm(install.args);
const main = ["--import", "tsx", "bench/main.ts", ...process.argv.slice(2)];
process.exitCode = spawnSync(process.execPath, main, { cwd: ROOT, stdio: "inherit" }).status ?? 1;
