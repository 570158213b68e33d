// `npm run mutants`: the seeded bugs of tests/mutants (see its README).
import { spawn } from "node:child_process";
import { ROOT } from "./install.mjs";

const main = ["--import", "tsx", "tests/mutants/main.ts", ...process.argv.slice(2)];
const child = spawn(process.execPath, main, { cwd: ROOT, stdio: "inherit" });
// The child gets Ctrl-C from the terminal by itself; this process only has to outlive it.
process.on("SIGINT", () => undefined);
for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.once("exit", (code) => {
  process.exitCode = code ?? 1;
});
