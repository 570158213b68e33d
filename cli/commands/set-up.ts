import type { MetrlyCommand } from "./command.js";

const OPERATORS = "the operators', which hear of all tenants";

/** Keys and webhooks. */
export function addSetUp(program: MetrlyCommand): void {
  const apiKeys = program.command("api-keys").description("list, issue, rotate and revoke the API keys of a tenant");
  apiKeys
    .command("list", { isDefault: true })
    .description("list a tenant's keys, without their secrets")
    .example("api-keys list --tenant acme", { what: "The tenants", by: "tenants list" })
    .ofTenant()
    .printsRows()
    .action(async (options) => (await import("../api-keys.js")).listApiKeys(options, process.env));
  apiKeys
    .command("issue")
    .description("issue a key of a tenant, or with --platform one for all tenants; prints its secret")
    .example("api-keys issue --tenant acme --scopes ingest,quota", { what: "The tenants", by: "tenants list" })
    .ofTenantOrPlatform("a key for all tenants")
    .requiredOption("--scopes <scope,...>", "ingest, quota, read, admin")
    .option("--name <name>", "its name", "command line")
    .option("--expires <instant>", "when it expires (default: never)")
    .option("--json", "print the result as JSON")
    .asksGraph()
    .action(async (options) => (await import("../api-keys.js")).issueApiKey(options, process.env));
  apiKeys
    .command("rotate <key>")
    .description("replace a key; prints the new secret, and the old key stays valid for a while")
    .example("api-keys rotate ID", { what: "The keys of a tenant", by: "api-keys list --tenant acme" })
    .option("--grace <seconds>", "how long the old key stays valid (default: a day)")
    .option("--json", "print the result as JSON")
    .asksGraph()
    .action(async (id: string, options) => (await import("../api-keys.js")).rotateApiKey(id, options, process.env));
  apiKeys
    .command("revoke <key>")
    .description("revoke a key immediately")
    .example("api-keys revoke ID", { what: "The keys of a tenant", by: "api-keys list --tenant acme" })
    .option("--json", "print the result as JSON")
    .asksGraph()
    .action(async (id: string, options) => (await import("../api-keys.js")).revokeApiKey(id, options, process.env));

  for (const [keys, isEarlier] of [
    [program.command("signing-keys"), false],
    [program.earlier("keys"), true],
  ] as const) {
    keys.description(isEarlier ? "metrly signing-keys" : "keys that sign tokens, from the local data directory");
    keys
      .command("list", { isDefault: true })
      .description("list the keys that sign tokens")
      .option("--json", "print them as JSON")
      .option("--csv", "CSV with a header")
      .action(async (options) => (await import("../signing-keys.js")).listKeys(options, process.env));
    keys
      .command("rotate")
      .description("create a new signing key; issued tokens stay valid")
      .action(async () => (await import("../signing-keys.js")).rotateKeys(process.env));
    keys
      .command("revoke <id>")
      .description("invalidate every token of a retired key")
      .example("signing-keys revoke ID", { what: "The keys", by: "signing-keys list" })
      .action(async (id: string) => (await import("../signing-keys.js")).revokeKey(id, process.env));
  }

  const webhooks = program.command("webhooks").description("webhook endpoints and their deliveries");
  webhooks
    .command("list")
    .description("list the endpoints of a tenant, or with --platform those of the operators")
    .example("webhooks list --tenant acme", { what: "The tenants", by: "tenants list" })
    .ofTenantOrPlatform(OPERATORS)
    .printsRows()
    .action(async (options) => (await import("../webhooks/endpoints.js")).listEndpoints(options, process.env));
  webhooks
    .command("create <url>")
    .description(
      "create an endpoint (https, or http where Metrly runs embedded; mailto: or slack+https); prints its signing secret",
    )
    .example("webhooks create https://example.com/hook --tenant acme", { what: "The tenants", by: "tenants list" })
    .ofTenantOrPlatform(OPERATORS)
    .option("--types <type,...>", "event types (default: all)")
    .option("--json", "print the result as JSON")
    .asksGraph()
    .action(async (url: string, options) =>
      (await import("../webhooks/endpoints.js")).createEndpoint(url, options, process.env),
    );
  webhooks
    .command("test <endpoint>")
    .description("send a test message to an endpoint")
    .example("webhooks test ID", { what: "The endpoints of a tenant", by: "webhooks list --tenant acme" })
    .option("--json", "print the result as JSON")
    .asksGraph()
    .action(async (id: string, options) =>
      (await import("../webhooks/endpoints.js")).testEndpoint(id, options, process.env),
    );
  webhooks
    .command("delete <endpoint>")
    .description("delete an endpoint; its pending deliveries become dead letters")
    .example("webhooks delete ID", { what: "The endpoints of a tenant", by: "webhooks list --tenant acme" })
    .option("--json", "print the result as JSON")
    .asksGraph()
    .action(async (id: string, options) =>
      (await import("../webhooks/endpoints.js")).deleteEndpoint(id, options, process.env),
    );
  webhooks
    .command("dead")
    .description("list dead letters with their reasons")
    .example("webhooks dead --tenant acme", { what: "The tenants", by: "tenants list" })
    .ofTenantOrPlatform(OPERATORS)
    .option("--json", "one JSON object per line")
    .asksGraph()
    .action(async (options) => (await import("../webhooks/dead-letters.js")).listDeadLetters(options, process.env));
  webhooks
    .command("replay [delivery]")
    .description("deliver a dead letter again, or with --endpoint every dead letter of an endpoint, oldest first")
    .example("webhooks replay ID", { what: "The dead letters of a tenant", by: "webhooks dead --tenant acme" })
    .option("--endpoint <id>", "the endpoint")
    .option("--json", "print the result as JSON")
    .asksGraph()
    .hook("preAction", (command) => {
      if ((command.args.length === 0) === (command.getOptionValue("endpoint") === undefined))
        command.error("error: name one delivery, or an endpoint with '--endpoint <id>'");
    })
    .action(async (delivery: string | undefined, options) =>
      (await import("../webhooks/dead-letters.js")).replayDeadLetters(delivery, options, process.env),
    );
  webhooks
    .command("listen")
    .description(
      "receive a tenant's webhooks on this machine, check their signatures and print them, until interrupted",
    )
    .example("webhooks listen --tenant acme", { what: "The tenants", by: "tenants list" })
    .ofTenant()
    .option("--types <type,...>", "event types (default: all)")
    .option("--port <n>", "the port to listen on (default: a free one)")
    .option("--json", "one JSON object per line")
    .asksGraph()
    .action(async (options) => (await import("../webhooks/listen.js")).listenToWebhooks(options, process.env));
}
