import { Command, Option } from "commander";

/** A command of `metrly`, with the options that many share. Each loads its own code only when it runs: all of it takes longer. */
export class MetrlyCommand extends Command {
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
    return this.option("--json", "one JSON object per line").option("--csv", "CSV with a header").asksGraph();
  }

  ofTenant(): this {
    return this.requiredOption("--tenant <id>", "the tenant");
  }

  /** Of a tenant, or of the operators. */
  ofTenantOrPlatform(): this {
    return this.addOption(new Option("--tenant <id>", "the tenant").conflicts("platform")).option(
      "--platform",
      "the operators', which hear of all tenants",
    );
  }

  /** Earlier names stay, but help shows only the current ones. */
  earlier(name: string): MetrlyCommand {
    return this.command(name, { hidden: true });
  }
}
