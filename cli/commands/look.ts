import { Option } from "commander";
import { PAPER_NAMES } from "#platform/paper/sizes.js";
import { INVOICE_FORMATS } from "../invoice/formats.js";
import { GRANULARITIES } from "../show/granularities.js";
import type { MetrlyCommand } from "./command.js";

/** What a running Metrly shows: tenants and what belongs to them. */
export function addLook(program: MetrlyCommand): void {
  const tenants = program.command("tenants").description("list, show and create tenants");
  tenants
    .command("list", { isDefault: true })
    .description("list all tenants with their plans")
    .printsRows()
    .action(async (options) => (await import("../show/tenants.js")).listTenants(options, process.env));
  tenants
    .command("show <tenant>")
    .description("show a tenant")
    .example("tenants show acme", { what: "The tenants", by: "tenants list" })
    .option("--json", "print it as JSON")
    .asksGraph()
    .action(async (id: string, options) => (await import("../show/tenants.js")).showTenant(id, options, process.env));
  tenants
    .command("create <id>")
    .description("create a tenant")
    .example("tenants create new-co --plan starter", { what: "The plans", by: "plans list" })
    .option("--name <name>", "its name (default: the id)")
    .option("--plan <id>", "its first plan, in the newest version")
    .option("--anchor-day <day>", "day of the month on which its billing periods begin (default: 1)")
    .option("--starts-at <instant>", "start of its first billing period")
    .option("--time-zone <name>", "its calendar's time zone, e.g. Europe/Berlin (default: UTC)")
    .option("--test-clock <instant>", "a test tenant, whose clock stands at this instant")
    .option("--json", "print the result as JSON")
    .asksGraph()
    .action(async (id: string, options) => (await import("../show/tenants.js")).createTenant(id, options, process.env));

  program
    .command("meters")
    .description("list the meters: what they count, and by which dimensions")
    .command("list", { isDefault: true })
    .description("list the meters that are not archived")
    .printsRows()
    .action(async (options) => (await import("../show/catalog.js")).listMeters(options, process.env));
  program
    .command("plans")
    .description("list the plans")
    .command("list", { isDefault: true })
    .description("list all plans, with the fee of their newest version")
    .printsRows()
    .action(async (options) => (await import("../show/catalog.js")).listPlans(options, process.env));

  program
    .command("usage <tenant>")
    .description("show a tenant's totals by period and day, current or past")
    .example("usage acme --by region", { what: "The tenants", by: "tenants list" })
    .option("--from <instant>", "from this day or instant, UTC (default without both: current period)")
    .option("--to <instant>", "before this day or instant, UTC")
    .option("--meter <key>", "only this meter")
    .option("--by <dimension,...>", "group by these dimensions; (none): usage without a value")
    .addOption(
      new Option("--granularity <unit>", "one line per hour, day or period (default with a time: day)").choices(
        GRANULARITIES,
      ),
    )
    .printsRows()
    .action(async (id: string, options) => (await import("../show/usage.js")).showUsage(id, options, process.env));

  const quotas = program.command("quotas").description("a tenant's limits, and the reasons of denials");
  quotas
    .command("show <tenant>", { isDefault: true })
    .description("show a tenant's limits, with what is used and remaining")
    .example("quotas show acme", { what: "The tenants", by: "tenants list" })
    .option("--by <dimension,...>", "only limits that count by these dimensions: a line for each combination")
    .option("--dimension <name=value...>", "of limits that count by it, only combinations with this value")
    .printsRows()
    .action(async (id: string, options) => (await import("../show/quotas.js")).showQuotas(id, options, process.env));
  quotas
    .command("why <idempotencyKey>")
    .description("explain why a consume was denied in the last hour")
    .example("quotas why try-1 --tenant acme", { what: "The tenants", by: "tenants list" })
    .ofTenant()
    .option("--json", "print the result as JSON")
    .asksGraph()
    .action(async (key: string, options) => (await import("../quota.js")).explainDenial(key, options, process.env));
  quotas
    .command("reconcile")
    .description("compare quota's totals and counters with the ledger; exit code 1 while differences remain")
    .option("--tenant <id>", "only this tenant")
    .option("--repair", "correct them from the ledger")
    .option("--json", "one JSON object per line")
    .option("--url <url>", "quota's address (default: METRLY_QUOTA_URL, or the Metrly of the data directory)")
    .action(async (options) => (await import("../quota.js")).reconcileQuota(options, process.env));

  const credits = program.command("credits").description("a tenant's prepaid credits");
  credits
    .command("list <tenant>", { isDefault: true })
    .description("list a tenant's grants of credits, with what is drawn and left of each")
    .example("credits list acme", { what: "The tenants", by: "tenants list" })
    .option("--as-of <instant>", "as known at the start of this UTC hour (default: now)")
    .printsRows()
    .action(async (id: string, options) => (await import("../show/credits.js")).listCredits(id, options, process.env));
  credits
    .command("grant <tenant> <amount>")
    .description("grant credits in the tenant's currency: they pay for usage from now on")
    .example('credits grant acme 25.00 --reason "paid by card"', { what: "The tenants", by: "tenants list" })
    .requiredOption("--reason <text>", "why, for the audit log and the tenant")
    .option("--expires <instant>", "usage from then on draws nothing from it (default: it does not expire)")
    .option("--priority <number>", "grants with a lower one are drawn first (default: 0)")
    .option("--id <id>", "makes a repeat safe (default: a new one)")
    .option("--json", "print the grant as JSON")
    .asksGraph()
    .action(async (id: string, amount: string, options) =>
      (await import("../show/credits.js")).grantCredits(id, amount, options, process.env),
    );
  credits
    .command("void <tenant> <grant>")
    .description("take back what a grant has left")
    .example('credits void acme welcome-2026 --reason "paid back"', { what: "The grants", by: "credits list acme" })
    .requiredOption("--reason <text>", "why, for the audit log")
    .option("--json", "print the grant as JSON")
    .asksGraph()
    .action(async (id: string, grant: string, options) =>
      (await import("../show/credits.js")).voidCredits(id, grant, options, process.env),
    );

  const invoices = program.command("invoices").description("list, show, verify and export invoices");
  invoices
    .command("list <tenant>", { isDefault: true })
    .description("list a tenant's invoices")
    .example("invoices list acme", { what: "The tenants", by: "tenants list" })
    .printsRows()
    .action(async (id: string, options) =>
      (await import("../show/invoices.js")).listInvoices(id, options, process.env),
    );
  invoices
    .command("show <invoice>")
    .description("show the lines of an invoice")
    .example("invoices show inv_acme_000001", { what: "The invoices of a tenant", by: "invoices list acme" })
    .printsRows()
    .action(async (id: string, options) => (await import("../show/invoices.js")).showInvoice(id, options, process.env));
  addVerification(invoices.command("verify <invoice>"));
  addVerification(program.earlier("verify").description("metrly invoices verify").command("invoice <invoice>"));
  addExport(invoices.command("export <invoice>"));

  const events = program.command("events").description("look up and export usage events");
  events
    .command("show <id>")
    .description("show the status of an event: recorded, unmetered, quarantined, voided or refused")
    .example("events show hello-1 --tenant acme --source curl", { what: "The tenants", by: "tenants list" })
    .ofTenant()
    .requiredOption("--source <source>", "the event's source")
    .option("--json", "print it as JSON")
    .asksGraph()
    .action(async (id: string, options) => (await import("../show/events.js")).showEvent(id, options, process.env));
  events
    .command("export <tenant>")
    .description("print all events of a tenant that are recorded and not voided, as JSON lines that send takes")
    .example("events export acme", { what: "The tenants", by: "tenants list" })
    .option("--url <url>", "ingestion's address (default: METRLY_INGESTION_URL, or the Metrly of the data directory)")
    .action(async (id: string, options) =>
      (await import("../show/export-events.js")).exportEvents(id, options, process.env),
    );

  program
    .command("watch")
    .description("show one live screen of rates, lag, decisions, limits, deliveries and alerts")
    .option("--tenant <id>", "only this tenant, and its alerts")
    .option("--every <seconds>", "time between refreshes (default: 2)")
    .option("--metrics <url,...>", "metrics listeners (default: the local Metrly's, or port 9464)")
    .option("--json", "one JSON object per refresh")
    .asksGraph()
    .action(async (options) => (await import("../watch/watch.js")).watchMetrly(options, process.env));

  program
    .command("alerts")
    .description("follow quota alerts")
    .command("watch")
    .description("print quota alerts as they happen, of all tenants or one")
    .option("--tenant <id>", "only this tenant")
    .option("--after <cursor>", "replay from this cursor first (needs --tenant)")
    .option("--json", "one JSON object per line")
    .asksGraph()
    .action(async (options) => (await import("../alerts.js")).watchAlerts(options, process.env));
}

function addVerification(command: MetrlyCommand): void {
  command
    .description("recompute an invoice from the ledger with independent code; exit code 1 when it differs")
    .example("invoices verify inv_acme_000001", { what: "The invoices of a tenant", by: "invoices list acme" })
    .option("--json", "print the result as JSON")
    .asksGraph()
    .action(async (id: string, options) => (await import("../verify.js")).verifyInvoice(id, options, process.env));
}

function addExport(command: MetrlyCommand): void {
  command
    .description("export an invoice: the document itself, its lines as CSV, a printable page or a PDF")
    .example("invoices export inv_acme_000001 --pdf invoice.pdf", {
      what: "The invoices of a tenant",
      by: "invoices list acme",
    })
    .addOption(new Option("--format <format>", "default: json; a PDF: --pdf").choices(INVOICE_FORMATS))
    .option("--out <file>", "where to write it (default: standard output)")
    .option("--pdf <file>", "write a PDF to this file (alone, unless --format or --out is given)")
    .addOption(new Option("--paper <size>", "of the PDF; default: a4").choices(PAPER_NAMES))
    .asksGraph()
    .action(async (id: string, options) =>
      (await import("../invoice/invoice.js")).exportInvoice(id, options, process.env),
    );
}
