// `npm run soak`: hours of load and faults on the compose file's system (tests/soak, see its README).
import { spawn } from "node:child_process";
import { missingInstall, ROOT, requireNode, runNpm } from "./install.mjs";

requireNode();
const install = missingInstall({ dev: true });
if (install) runNpm(install.args);
const main = ["--import", "tsx", "tests/soak/main.ts", ...process.argv.slice(2)];
// Roles run as an operator starts them, not as in short tests.
const env = { ...process.env, METRLY_TEST_LONG: "on" };
const child = spawn(process.execPath, main, { cwd: ROOT, stdio: "inherit", env });
// The child gets Ctrl-C from the terminal by itself; this process only has to outlive it.
process.on("SIGINT", () => undefined);
for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.once("exit", (code) => {
  process.exitCode = code ?? 1;
});
