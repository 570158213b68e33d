#!/usr/bin/env node
// The code itself does not load in an older Node.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Metrly needs Node 20.19 or newer; this is ${process.version}.`);
  process.exit(1);
}
// Before anything else is loaded: only what is loaded later is found in a stack trace.
process.setSourceMapsEnabled(true);
const { endWithShellOfNpx } = await import("./shell-of-npx.js");
endWithShellOfNpx();
const { runCommand } = await import("./commands/program.js");

await runCommand(process.argv.slice(2));
