#!/usr/bin/env node
import { Command } from "commander";
import { watchAlerts } from "./alerts.js";
import { reportFailure } from "./failure.js";
import { verifyInvoice } from "./verify.js";

const program = new Command("metrly").description("Usage metering, real-time quotas and invoices that add up");

program
  .command("all", { isDefault: true })
  .description("run the whole system in this process (configuration: METRLY_* variables, see .env.example)")
  .action(async () => {
    const { runAll } = await import("./all.js");
    await runAll(process.env);
  });

const alerts = program.command("alerts").description("quota alerts");
alerts
  .command("watch")
  .description("print quota alerts as they happen; every tenant's, or one's")
  .option("--tenant <id>", "only this tenant")
  .option("--after <cursor>", "replay from this cursor first (needs --tenant)")
  .option("--json", "one JSON object per line")
  .option("--url <url>", "Metrly's address (default: METRLY_URL or http://127.0.0.1:METRLY_PORT)")
  .option("--token <token>", "a key or token (default: METRLY_TOKEN or the data directory's admin-token)")
  .action((options) => watchAlerts(options, process.env));

const verify = program.command("verify").description("check derived results against the ledger");
verify
  .command("invoice <id>")
  .description("recompute one invoice from the ledger by separate code; exit code 1 when it differs")
  .option("--json", "print the answer as JSON")
  .option("--url <url>", "Metrly's address (default: METRLY_URL or http://127.0.0.1:METRLY_PORT)")
  .option("--token <token>", "a key or token (default: METRLY_TOKEN or the data directory's admin-token)")
  .action((id: string, options) => verifyInvoice(id, options, process.env));

try {
  await program.parseAsync();
} catch (error) {
  reportFailure(error);
}
