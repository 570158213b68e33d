#!/usr/bin/env node
import { readFileSync } from "node:fs";
import path from "node:path";
import { packageRoot } from "#platform/process/package-root.js";
import { hintFor, MetrlyCommand } from "./commands/command.js";
import { addLook } from "./commands/look.js";
import { addOperate, addSend } from "./commands/operate.js";
import { addServe } from "./commands/serve.js";
import { addSetUp } from "./commands/set-up.js";
import { reportFailure, UserError } from "./connection/failure.js";

const { version } = JSON.parse(readFileSync(path.join(packageRoot(), "package.json"), "utf8")) as { version: string };

const program = new MetrlyCommand("metrly")
  .description("Usage metering, real-time quotas and invoices that add up")
  .version(version, "-V, --version", "display the version")
  .showHelpAfterError("Its options: add --help. All commands: metrly --help");
program.commandsGroup("Run:");
const earlierOf = addServe(program);
program.commandsGroup("Look:");
addLook(program, earlierOf("quota"));
program.commandsGroup("Send:");
addSend(program);
program.commandsGroup("Set up:");
addSetUp(program);
program.commandsGroup("Operate:");
addOperate(program, earlierOf("ingestion"));

/** Without a command, run the whole system. Not commander's default command: it would take a misspelt command for an argument. */
const NO_COMMAND = 2;

try {
  await program.parseAsync(process.argv.length === NO_COMMAND ? [...process.argv, "serve"] : process.argv);
} catch (error) {
  reportFailure(error);
  const isMissing = error instanceof UserError && error.code === "NOT_FOUND";
  const hint = isMissing ? hintFor(program, process.argv.slice(NO_COMMAND)) : undefined;
  if (hint !== undefined) process.stderr.write(`${hint}\n`);
}
