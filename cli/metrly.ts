#!/usr/bin/env node
import { Command } from "commander";
import { SERVICES } from "#platform/room.js";
import { watchAlerts } from "./alerts.js";
import { reportFailure } from "./failure.js";
import type { Composition } from "./system.js";
import { verifyInvoice } from "./verify.js";

const program = new Command("metrly").description("Usage metering, real-time quotas and invoices that add up");

program
  .command("all", { isDefault: true })
  .description("run the whole system in this process (configuration: METRLY_* variables, see .env.example)")
  .action(() => run("all"));

for (const role of ["gateway", ...SERVICES] as const) {
  program
    .command(role)
    .description(`run ${role} as a process of its own`)
    .action(() => run(role));
}

async function run(composition: Composition): Promise<void> {
  const { runProcess } = await import("./run.js");
  await runProcess(composition, process.env);
}

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
