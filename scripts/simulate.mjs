// `npm run simulate`: the simulation of tests/simulation (see its README).
import { spawnSync } from "node:child_process";
import { ROOT } from "./install.mjs";

const main = ["--import", "tsx", "tests/simulation/launch.ts", ...process.argv.slice(2)];
process.exitCode = spawnSync(process.execPath, main, { cwd: ROOT, stdio: "inherit" }).status ?? 1;
