#!/usr/bin/env node
// Before anything else is loaded: only what is loaded later is found in a stack trace.
process.setSourceMapsEnabled(true);
const { runCommand } = await import("./commands/program.js");

await runCommand(process.argv.slice(2));
