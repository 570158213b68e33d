import type { MetrlyCommand } from "./command.js";

const OPERATORS = "the operators', which hear of all tenants";

/** Keys and webhooks. */
export function addSetUp(program: MetrlyCommand): void {
  const apiKeys = program.command("api-keys").description("list, issue, rotate and revoke the API keys of a tenant");
  apiKeys
    .command("list", { isDefault: true })
    .description("list a tenant's keys, without their secrets")
    .ofTenant()
    .printsRows()
    .action(async (options) => (await import("../api-keys.js")).listApiKeys(options, process.env));
  apiKeys
    .command("issue")
    .description("issue a key of a tenant, or with --platform one for all tenants; prints its secret")
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
    .option("--grace <seconds>", "how long the old key stays valid (default: a day)")
    .option("--json", "print the result as JSON")
    .asksGraph()
    .action(async (id: string, options) => (await import("../api-keys.js")).rotateApiKey(id, options, process.env));
  apiKeys
    .command("revoke <key>")
    .description("revoke a key immediately")
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
      .action(async (id: string) => (await import("../signing-keys.js")).revokeKey(id, process.env));
  }

  const webhooks = program.command("webhooks").description("webhook endpoints and their deliveries");
  webhooks
    .command("list")
    .description("list the endpoints of a tenant, or with --platform those of the operators")
    .ofTenantOrPlatform(OPERATORS)
    .printsRows()
    .action(async (options) => (await import("../webhooks/endpoints.js")).listEndpoints(options, process.env));
  webhooks
    .command("create <url>")
    .description("create an endpoint (https, mailto: or slack+https); prints its signing secret")
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
    .option("--json", "print the result as JSON")
    .asksGraph()
    .action(async (id: string, options) =>
      (await import("../webhooks/endpoints.js")).testEndpoint(id, options, process.env),
    );
  webhooks
    .command("delete <endpoint>")
    .description("delete an endpoint; its pending deliveries become dead letters")
    .option("--json", "print the result as JSON")
    .asksGraph()
    .action(async (id: string, options) =>
      (await import("../webhooks/endpoints.js")).deleteEndpoint(id, options, process.env),
    );
  webhooks
    .command("dead")
    .description("list dead letters with their reasons")
    .ofTenantOrPlatform(OPERATORS)
    .option("--json", "one JSON object per line")
    .asksGraph()
    .action(async (options) => (await import("../webhooks/dead-letters.js")).listDeadLetters(options, process.env));
  webhooks
    .command("replay [delivery]")
    .description("deliver a dead letter again, or with --endpoint every dead letter of an endpoint, oldest first")
    .option("--endpoint <id>", "the endpoint")
    .option("--json", "print the result as JSON")
    .asksGraph()
    .action(async (delivery: string | undefined, options) =>
      (await import("../webhooks/dead-letters.js")).replayDeadLetters(delivery, options, process.env),
    );
  webhooks
    .command("listen")
    .description(
      "receive a tenant's webhooks on this machine, check their signatures and print them, until interrupted",
    )
    .ofTenant()
    .option("--types <type,...>", "event types (default: all)")
    .option("--port <n>", "the port to listen on (default: a free one)")
    .option("--json", "one JSON object per line")
    .asksGraph()
    .action(async (options) => (await import("../webhooks/listen.js")).listenToWebhooks(options, process.env));
}
