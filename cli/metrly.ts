#!/usr/bin/env node
import { Argument, Command, Option } from "commander";
import { SERVICES } from "#platform/process/services.js";
import { completionScript, SHELLS, type Shell } from "./completion.js";
import { reportFailure } from "./connection/failure.js";

import { INVOICE_FORMATS } from "./invoice/invoice.js";
import type { ProcessRole } from "./server/role-config.js";

// Each command loads its own code only when it runs: loading everything takes longer than most commands.
class MetrlyCommand extends Command {
  override createCommand(name?: string): MetrlyCommand {
    return new MetrlyCommand(name);
  }

  /** Adds the options of a command that asks a running Metrly. */
  asksGraph(): this {
    return this.option("--url <url>", "Metrly's address (default: METRLY_URL or http://127.0.0.1:METRLY_PORT)").option(
      "--token <token>",
      "a key or token (default: METRLY_TOKEN or the data directory's admin-token)",
    );
  }
}

const program = new MetrlyCommand("metrly").description("Usage metering, real-time quotas and invoices that add up");

program
  .command("all")
  .description("run the whole system in this process (configuration: METRLY_* variables, see .env.example)")
  .action(() => run("all"));

for (const role of ["gateway", ...SERVICES] as const) {
  const command = program
    .command(role)
    .description(`run ${role} in a separate process`)
    .action(() => run(role));
  if (role === "ingestion")
    command
      .command("republish")
      .description("publish a range of a partition's ledger to usage.recorded again; consumers skip duplicates")
      .requiredOption("--partition <n>", "the partition")
      .requiredOption("--from <seq>", "the first entry")
      .requiredOption("--to <seq>", "the last entry")
      .option("--url <url>", "ingestion's address (default: METRLY_INGESTION_URL or http://127.0.0.1:METRLY_PORT)")
      .action(async (options) => (await import("./republish.js")).republishLedger(options, process.env));
  if (role === "quota") {
    command
      .command("reconcile")
      .description("compare quota's totals and counters with the ledger; exit code 1 while differences remain")
      .option("--tenant <id>", "only this tenant")
      .option("--repair", "correct them from the ledger")
      .option("--json", "one JSON object per line")
      .option("--url <url>", "quota's address (default: METRLY_QUOTA_URL or http://127.0.0.1:METRLY_PORT)")
      .action(async (options) => (await import("./quota.js")).reconcileQuota(options, process.env));
    command
      .command("why <idempotencyKey>")
      .description("show why a consume was denied within the last hour")
      .requiredOption("--tenant <id>", "the tenant")
      .option("--json", "print the result as JSON")
      .asksGraph()
      .action(async (key: string, options) => (await import("./quota.js")).explainDenial(key, options, process.env));
  }
}

async function run(composition: ProcessRole): Promise<void> {
  const { runProcess } = await import("./server/run.js");
  await runProcess(composition, process.env);
}

program
  .command("send [file]")
  .description("send usage from a file of JSON lines or CSV, or from standard input; can be interrupted and repeated")
  .addOption(new Option("--format <format>", "default: csv for *.csv, else ndjson").choices(["ndjson", "csv"]))
  .option("--map <name=column,...>", "columns of id, source, type, subject, time and members of data")
  .option("--type <type>", "type of rows without one")
  .option("--source <source>", "source of rows without one (default: metrly-send)")
  .option("--subject <tenant>", "tenant of rows without one")
  .option("--name <name>", "file name in the generated ids of rows without one (default: its base name)")
  .option("--dry-run", "only validate; needs no server")
  .option("--concurrency <n>", "concurrent batches (default: 4)")
  .option("--give-up-after <seconds>", "how long one batch is retried (default: 300)")
  .option("--checkpoint <file>", "where to store the checkpoint (default: <file>.metrly-send)")
  .option("--json", "print the summary as JSON")
  .option("--url <url>", "Metrly's address (default: METRLY_URL or http://127.0.0.1:METRLY_PORT)")
  .option("--token <key>", "an API key with the scope INGEST (default: METRLY_TOKEN)")
  .action(async (file: string | undefined, options) =>
    (await import("./send/send.js")).sendUsage(file, options, process.env),
  );

const alerts = program.command("alerts").description("quota alerts");
alerts
  .command("watch")
  .description("print quota alerts as they happen, of all tenants or one")
  .option("--tenant <id>", "only this tenant")
  .option("--after <cursor>", "replay from this cursor first (needs --tenant)")
  .option("--json", "one JSON object per line")
  .asksGraph()
  .action(async (options) => (await import("./alerts.js")).watchAlerts(options, process.env));

const shown = (command: MetrlyCommand) => command.option("--json", "one JSON object per line").asksGraph();
shown(program.command("tenants").description("every tenant, with its plan")).action(async (options) =>
  (await import("./show.js")).showTenants(options, process.env),
);
shown(program.command("usage <tenant>").description("a tenant's totals in the current period, and by day"))
  .option("--by <dimension,...>", "group by these dimensions")
  .action(async (tenant: string, options) => (await import("./show.js")).showUsage(tenant, options, process.env));
shown(program.command("quotas <tenant>").description("a tenant's limits, used and remaining")).action(
  async (tenant: string, options) => (await import("./show.js")).showQuotas(tenant, options, process.env),
);
shown(program.command("invoices <tenant>").description("a tenant's invoices")).action(async (tenant: string, options) =>
  (await import("./show.js")).showInvoices(tenant, options, process.env),
);

program
  .command("completion")
  .description("print a script that completes commands and options: source <(metrly completion bash)")
  .addArgument(new Argument("<shell>").choices([...SHELLS]))
  .action((shell: Shell) => void process.stdout.write(completionScript(program, shell)));

program
  .command("rebuild")
  .description("rebuild billing's tables from the ledger beside the live ones, compare, and replace usage that differs")
  .option("--tenant <id>", "only this tenant")
  .option("--check", "only compare; exit code 1 on differences")
  .option("--json", "one JSON object per line")
  .option("--url <url>", "billing's address (default: METRLY_BILLING_URL or http://127.0.0.1:METRLY_PORT)")
  .action(async (options) => (await import("./rebuild.js")).rebuildBilling(options, process.env));

program
  .command("invoice")
  .description("invoices")
  .command("export <id>")
  .description("write an invoice: the document itself, its lines as CSV, or a printable page")
  .addOption(new Option("--format <format>", "default: json").choices([...INVOICE_FORMATS]))
  .option("--out <file>", "where to write it (default: standard output)")
  .asksGraph()
  .action(async (id: string, options) =>
    (await import("./invoice/invoice.js")).exportInvoice(id, options, process.env),
  );

const webhooks = program.command("webhooks").description("webhook deliveries");
webhooks
  .command("dead")
  .description("list dead letters with their reasons")
  .requiredOption("--tenant <id>", "the tenant")
  .option("--json", "one JSON object per line")
  .asksGraph()
  .action(async (options) => (await import("./webhooks.js")).listDeadLetters(options, process.env));
webhooks
  .command("replay [delivery]")
  .description("deliver a dead letter again, or with --endpoint every dead letter of an endpoint, oldest first")
  .option("--endpoint <id>", "the endpoint")
  .option("--json", "print the result as JSON")
  .asksGraph()
  .action(async (delivery: string | undefined, options) =>
    (await import("./webhooks.js")).replayDeadLetters(delivery, options, process.env),
  );
webhooks
  .command("listen")
  .description("receive a tenant's webhooks on this machine, check their signatures and print them, until interrupted")
  .requiredOption("--tenant <id>", "the tenant")
  .option("--types <type,...>", "event types (default: all)")
  .option("--port <n>", "the port to listen on (default: a free one)")
  .option("--json", "one JSON object per line")
  .asksGraph()
  .action(async (options) => (await import("./webhook-listen.js")).listenToWebhooks(options, process.env));

program
  .command("doctor")
  .description("check the installation and suggest fixes; exit code 1 when a check fails")
  .option("--json", "one JSON object per line")
  .asksGraph()
  .action(async (options) => (await import("./doctor.js")).examine(options, process.env));

program
  .command("graph [operation]")
  .description("run any GraphQL operation, from the argument, --file or standard input")
  .option("--variables <json>", "its variables, a JSON object")
  .option("--file <path>", "file with the operation")
  .asksGraph()
  .action(async (operation: string | undefined, options) =>
    (await import("./connection/ask.js")).askAnything(operation, options, process.env),
  );

const keys = program
  .command("keys")
  .description("list the keys that sign tokens, from the local data directory")
  .option("--json", "print them as JSON")
  .action(async (options) => (await import("./keys.js")).listKeys(options, process.env));
keys
  .command("rotate")
  .description("create a new signing key; issued tokens stay valid")
  .action(async () => (await import("./keys.js")).rotateKeys(process.env));
keys
  .command("revoke <id>")
  .description("invalidate every token of a retired key")
  .action(async (id: string) => (await import("./keys.js")).revokeKey(id, process.env));

const verify = program.command("verify").description("check derived results against the ledger");
verify
  .command("invoice <id>")
  .description("recompute one invoice from the ledger with independent code; exit code 1 when it differs")
  .option("--json", "print the result as JSON")
  .asksGraph()
  .action(async (id: string, options) => (await import("./verify.js")).verifyInvoice(id, options, process.env));

/** Without a command, run the whole system. Not commander's default command: it would take a misspelt command for an argument. */
const NO_COMMAND = 2;

try {
  await program.parseAsync(process.argv.length === NO_COMMAND ? [...process.argv, "all"] : process.argv);
} catch (error) {
  reportFailure(error);
}
