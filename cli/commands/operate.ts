import { Argument, Option } from "commander";
import { asTyped } from "../as-typed.js";
import { completionScript, SHELLS, type Shell } from "../completion.js";
import type { MetrlyCommand } from "./command.js";

export function addSend(program: MetrlyCommand): void {
  program
    .command("send [file]")
    .description("send usage from a file of JSON lines or CSV, or from standard input; safe to interrupt and repeat")
    .example("send usage.csv --type api.request --map id=request")
    .addOption(new Option("--format <format>", "default: csv for *.csv, else ndjson").choices(["ndjson", "csv"]))
    .option("--map <name=column,...>", "which columns are id, source, type, subject, time and members of data")
    .option("--type <type>", "type of rows without one")
    .option("--source <source>", "source of rows without one (default: metrly-send)")
    .option("--subject <tenant>", "tenant of rows without one")
    .option("--name <name>", "file name in the generated ids of rows without one (default: its base name)")
    .option("--dry-run", "validate only; needs no server")
    .option("--concurrency <n>", "concurrent batches (default: 4)")
    .option("--import", "past usage of any age, without alerts; the key needs the scope ADMIN")
    .option("--give-up-after <seconds>", "how long to retry a batch (default: 300)")
    .option("--checkpoint <file>", "where to store the checkpoint (default: <file>.metrly-send)")
    .option("--json", "print the summary as JSON")
    .option("--url <url>", "Metrly's address (default: METRLY_URL, or the Metrly of the data directory)")
    .option("--token <key>", "an API key with the scope INGEST (default: METRLY_TOKEN)")
    .action(async (file: string | undefined, options) =>
      (await import("../send/send.js")).sendUsage(file, options, process.env),
    );
}

/** What an operator does with an installation. */
export function addOperate(program: MetrlyCommand, earlierIngestion: MetrlyCommand): void {
  program
    .command("doctor")
    .description("check the installation and suggest fixes; exit code 1 when a check fails")
    .option("--json", "one JSON object per line")
    .asksGraph()
    .action(async (options) => (await import("../doctor/doctor.js")).examine(options, process.env));
  program
    .command("rebuild")
    .description("rebuild billing's tables from the ledger beside the live ones, compare, and replace what differs")
    .option("--tenant <id>", "only this tenant")
    .option("--check", "only compare; exit code 1 on differences")
    .option("--json", "one JSON object per line")
    .option("--url <url>", "billing's address (default: METRLY_BILLING_URL, or the Metrly of the data directory)")
    .action(async (options) => (await import("../rebuild.js")).rebuildBilling(options, process.env));
  const ledger = program.command("ledger").description("publish parts of the ledger again");
  for (const parent of [ledger, earlierIngestion])
    parent
      .command("republish")
      .description("publish a range of a partition's ledger to usage.recorded again; consumers skip duplicates")
      .example("ledger republish --partition 0 --from 1 --to 100")
      .requiredOption("--partition <n>", "the partition")
      .requiredOption("--from <seq>", "the first entry")
      .requiredOption("--to <seq>", "the last entry")
      .option("--url <url>", "ingestion's address (default: METRLY_INGESTION_URL, or the Metrly of the data directory)")
      .action(async (options) => (await import("../republish.js")).republishLedger(options, process.env));
  program
    .command("graph [operation]")
    .description("run any GraphQL operation, from the argument, --file or standard input")
    .example("graph '{ viewer { kind roles } }'")
    .option("--variables <json>", "its variables, a JSON object")
    .option("--file <path>", "file with the operation")
    .asksGraph()
    .action(async (operation: string | undefined, options) =>
      (await import("../connection/ask.js")).askAnything(operation, options, process.env),
    );
  program
    .command("completion")
    .description("print a script that completes commands and options")
    .addArgument(new Argument("<shell>").choices([...SHELLS]))
    .addHelpText(
      "after",
      `\nIn this shell only: source <(${asTyped("completion bash")})\nIt completes metrly; where you type npx metrly: alias metrly='npx metrly'`,
    )
    .action((shell: Shell) => void process.stdout.write(completionScript(program, shell)));
}
