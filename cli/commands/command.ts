import { Command, CommanderError, Option } from "commander";
import { asTyped } from "../as-typed.js";

/** A command of `metrly`, with the options that many share. Each loads its own code only when it runs: all of it takes longer. */
export class MetrlyCommand extends Command {
  constructor(name?: string) {
    super(name);
    this.hook("preSubcommand", (noun, verb) => {
      if (noun instanceof MetrlyCommand) noun.refuseMisspelt(verb);
    });
  }

  /**
   * Below a noun with a default verb, a misspelt verb would be taken for the default's argument. It is refused if the default
   * takes fewer words than there are; a single word that could be an id is one.
   */
  private refuseMisspelt(verb: Command): void {
    const [word = ""] = this.args;
    const names = this.commands.flatMap((one) => [one.name(), ...one.aliases()]);
    const words = this.args.findIndex((one) => one.startsWith("-"));
    const given = words < 0 ? this.args.length : words;
    if (word === "" || word.startsWith("-") || names.includes(word) || given <= verb.registeredArguments.length) return;
    this.error(`error: unknown command '${word}'${similar(word, names)}`);
  }

  override createCommand(name?: string): MetrlyCommand {
    return new MetrlyCommand(name);
  }

  /** The options of a command that asks a running Metrly. */
  asksGraph(): this {
    return this.option(
      "--url <url>",
      "Metrly's address (default: METRLY_URL, or the Metrly of the data directory)",
    ).option("--token <token>", "a key or token (default: METRLY_TOKEN or the data directory's admin-token)");
  }

  /** Those of one that prints rows. */
  printsRows(): this {
    return this.option("--json", "one JSON object per line")
      .addOption(new Option("--csv", "CSV with a header").conflicts("json"))
      .asksGraph();
  }

  ofTenant(): this {
    return this.requiredOption("--tenant <id>", "the tenant");
  }

  /** Of a tenant, or with --platform of what `platform` says: one of them is required. */
  ofTenantOrPlatform(platform: string): this {
    return this.addOption(new Option("--tenant <id>", "the tenant").conflicts("platform"))
      .option("--platform", platform)
      .hook("preAction", (command) => {
        if (command.getOptionValue("tenant") === undefined && command.getOptionValue("platform") === undefined)
          command.error("error: required option '--tenant <id>' or '--platform' not specified");
      });
  }

  /**
   * How it is typed, with ids that the demo has. Help shows it, and so does an error in the arguments; `found`: where to look up
   * what it takes.
   */
  example(typed: string, found?: { readonly what: string; readonly by: string }): this {
    const lines = [
      `Example: ${asTyped(typed)}`,
      ...(found === undefined ? [] : [`${found.what}: ${asTyped(found.by)}`]),
    ];
    this.showHelpAfterError([...lines, `All its options: ${asTyped(`${pathOf(this)} --help`)}`].join("\n"));
    return this.addHelpText("after", `\n${lines.join("\n")}`);
  }

  /** Earlier names stay, but help shows only the current ones. */
  earlier(name: string): MetrlyCommand {
    return this.command(name, { hidden: true });
  }
}

/** Below the program: `webhooks list`. */
function pathOf(command: Command): string {
  const names: string[] = [];
  for (let one: Command | null = command; one?.parent; one = one.parent) names.unshift(one.name());
  return names.join(" ");
}

/** Commander's own suggestion, on a line of its own; empty without one. */
function similar(word: string, names: readonly string[]): string {
  const probe = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  for (const name of names) probe.command(name);
  try {
    probe.parse([word], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return /\n\(Did you mean .*\?\)/.exec(error.message)?.[0] ?? "";
  }
  return "";
}

/** The verbs below a noun that a word resembles, for ids that are not found: `metrly invoices lst`. */
export function hintFor(program: Command, argv: readonly string[]): string | undefined {
  const [first = "", word = ""] = argv.filter((one) => !one.startsWith("-"));
  const noun = program.commands.find((one) => one.name() === first);
  const names = noun?.commands.map((one) => one.name()) ?? [];
  if (word === "" || names.includes(word)) return undefined;
  return similar(word, names).trim() || undefined;
}
