// `npm test` in a fresh clone: installs what is missing, then hands over to tests/runner/run.ts, which starts the servers,
// runs vitest and prints the closing line. Arguments are vitest's filters. Node builtins only.
import { spawn } from "node:child_process";
import { missingInstall, ROOT, requireNode, runNpm } from "./install.mjs";

requireNode();
const install = missingInstall({ dev: true });
if (install) {
  console.log(`Installing the dependencies (${install.reason})...`);
  runNpm(install.args);
}
const runner = ["--import", "tsx", "tests/runner/run.ts", ...process.argv.slice(2)];
const child = spawn(process.execPath, runner, { cwd: ROOT, stdio: "inherit" });
// The runner gets Ctrl-C from the terminal by itself; this process only has to outlive it.
process.on("SIGINT", () => undefined);
for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.once("exit", (code, signal) => {
  process.exitCode = code ?? (signal === null ? 1 : 130);
});
