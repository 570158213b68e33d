import { readFileSync } from "node:fs";
import path from "node:path";
import type { Command } from "commander";
import { packageRoot } from "#platform/process/package-root.js";
import { asTyped, startAsTyped } from "../as-typed.js";
import { SHELLS } from "../completion.js";
import { reportFailure, UserError } from "../connection/failure.js";
import { hintFor, MetrlyCommand } from "./command.js";
import { addLook } from "./look.js";
import { addOperate, addSend } from "./operate.js";
import { addServe } from "./serve.js";
import { addSetUp } from "./set-up.js";

/** Without a command, run the whole system. Not commander's default command: it would take a misspelt command for an argument. */
const NO_COMMAND = ["serve"];

/** Nouns are plurals; many type `metrly invoice show`. */
const SINGULARS: ReadonlySet<string> = new Set([
  ...["tenant", "meter", "plan", "quota", "invoice", "event", "alert", "api-key", "signing-key", "webhook"],
]);

/** `metrly quota` alone is an earlier name of the role, which never runs without a broker. */
function inPlural([noun = "", ...rest]: readonly string[]): readonly string[] {
  const isRole = noun === "quota" && rest.length === 0 && process.env.METRLY_KAFKA_BROKERS !== undefined;
  return [SINGULARS.has(noun) && !isRole ? `${noun}s` : noun, ...rest];
}

/** Other programs' ways to ask for the version. */
const ASK_VERSION: ReadonlySet<string> = new Set(["-v", "version"]);

/** The id of a signing key that begins with a hyphen, as one of 64 does: a SHA-256 digest in base64url. */
const ID_LIKE_OPTION = /^-[\w-]{42}$/;

/** Such an id is an argument and no option. */
function withIdsLast(typed: readonly string[]): readonly string[] {
  const ids = typed.filter((arg) => ID_LIKE_OPTION.test(arg));
  if (ids.length === 0 || typed.includes("--")) return typed;
  return [...typed.filter((arg) => !ids.includes(arg)), "--", ...ids];
}

function meant(typed: readonly string[]): readonly string[] {
  const [first = ""] = typed;
  if (typed.length === 0) return NO_COMMAND;
  if (typed.length === 1 && ASK_VERSION.has(first)) return ["--version"];
  const named = inPlural(typed);
  return named[0] === "signing-keys" || named[0] === "keys" ? withIdsLast(named) : named;
}

/** What another credential may answer differently. */
const OF_CREDENTIALS: ReadonlySet<string> = new Set(["UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND"]);

/** Runs one command of `metrly`; prints a failure and sets the exit code, or exits when the arguments are wrong. */
export async function runCommand(typed: readonly string[]): Promise<void> {
  const program = createProgram();
  const args = meant(typed);
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    reportFailure(error);
    const code = error instanceof UserError ? error.code : undefined;
    const hint = code === "NOT_FOUND" ? hintFor(program, args) : undefined;
    if (hint !== undefined) process.stderr.write(`${hint}\n`);
    const namesToken = args.some((arg) => /^--token(=|$)/.test(arg));
    if (code !== undefined && OF_CREDENTIALS.has(code) && process.env.METRLY_TOKEN && !namesToken)
      process.stderr.write(`This used the key or token in METRLY_TOKEN. ${await insteadOfToken(args)}\n`);
  }
}

/** What a command may take, or what may be meant. */
function whereFound(error: string): string {
  if (/unknown command 'key'/.test(error))
    return `Keys of tenants: ${asTyped("api-keys")}. Keys that sign tokens: ${asTyped("signing-keys")}\n`;
  if (/unknown command '(?:start|run|up)'/.test(error)) return `To start Metrly: ${startAsTyped()}\n`;
  if (/unknown option '-[^-]..+'/.test(error)) return "An id that begins with a hyphen is typed after --\n";
  if (/missing required argument 'shell'/.test(error)) return `The shells: ${SHELLS.join(", ")}\n`;
  return "";
}

function verbsOf(noun: Command): string {
  const names = noun.commands.map((verb) => verb.name());
  return `Commands of ${noun.name()}: ${names.join(", ")}. For more: ${asTyped(`${noun.name()} --help`)}`;
}

/** `send` alone takes no admin token. */
async function insteadOfToken([command, ...rest]: readonly string[]): Promise<string> {
  if (command !== "send") return "Without it (unset METRLY_TOKEN), the data directory's admin-token is used.";
  const { sendingNeeds } = await import("../send/send.js");
  return sendingNeeds(rest.includes("--import"));
}

function createProgram(): MetrlyCommand {
  const { version } = JSON.parse(readFileSync(path.join(packageRoot(), "package.json"), "utf8")) as { version: string };
  const program = new MetrlyCommand("metrly");
  program
    .description("Usage metering, real-time quotas and invoices that add up")
    .version(version, "-V, --version", "display the version")
    .configureOutput({ outputError: (text, write) => write(`${text}${whereFound(text)}`) })
    .showHelpAfterError(`For the options of a command, add --help. All commands: ${asTyped("--help")}`);
  program.commandsGroup("Run:");
  const earlierOf = addServe(program);
  program.commandsGroup("Look:");
  addLook(program);
  program.commandsGroup("Send:");
  addSend(program);
  program.commandsGroup("Set up:");
  addSetUp(program);
  program.commandsGroup("Operate:");
  addOperate(program, earlierOf("ingestion"));
  for (const noun of program.commands) if (noun.commands.length > 0) noun.showHelpAfterError(verbsOf(noun));
  // Else it gets a group of its own.
  const help = program.createCommand("help").argument("[command]", "the command");
  program.addHelpCommand(help.description("display help for command").helpGroup("Operate:"));
  return program;
}
