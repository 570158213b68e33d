// `npm run bench`: the benchmarks of bench/ (see its README).
import { spawn } from "node:child_process";
import { missingInstall, ROOT, requireNode, runNpm } from "./install.mjs";

requireNode();
const install = missingInstall({ dev: true });
if (install) runNpm(install.args);
const main = ["--import", "tsx", "bench/main.ts", ...process.argv.slice(2)];
const child = spawn(process.execPath, main, { cwd: ROOT, stdio: "inherit" });
// The child gets Ctrl-C from the terminal by itself; this process only has to outlive it.
process.on("SIGINT", () => undefined);
for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.once("exit", (code) => {
  process.exitCode = code ?? 1;
});
