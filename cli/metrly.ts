#!/usr/bin/env node
import module from "node:module";
import { fileURLToPath } from "node:url";

// The code itself does not load in an older Node.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Metrly needs Node 20.19 or newer; this is ${process.version}.`);
  process.exit(1);
}
// Before anything else is loaded: only what is loaded later is found in a stack trace, or kept compiled.
process.setSourceMapsEnabled(true);
// Since Node 22.8. Where nothing can be written, it is compiled at each start, as before.
const enableCompileCache: unknown = Reflect.get(module, "enableCompileCache");
if (typeof enableCompileCache === "function")
  enableCompileCache(fileURLToPath(new URL("../../node_modules/.cache/metrly", import.meta.url)));
const { endWithShellOfNpx } = await import("./shell-of-npx.js");
endWithShellOfNpx();
const { runCommand } = await import("./commands/program.js");

await runCommand(process.argv.slice(2));
