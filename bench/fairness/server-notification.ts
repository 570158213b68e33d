import type { Service } from "#platform/process/service.js";
import { adminOf, ask, openWorld, tenantState } from "../../workers/notification/world.testing.js";
import { optionsOf, serve } from "../support/measured.js";

// Notification as in the product, with its jobs in Redis; each tenant has one endpoint. `keys` has their ids.
interface NotificationOptions {
  readonly redisUrl: string;
  /** Each tenant's receiver. */
  readonly receivers: Readonly<Record<string, string>>;
}
const { redisUrl, receivers } = optionsOf<NotificationOptions>();
const world = await openWorld("fairness", {}, { kind: "redis", url: redisUrl });
const service = await world.start({ random: Math.random, sweepEveryMs: 5_000 });
const keys: Record<string, string> = {};
for (const [tenantId, url] of Object.entries(receivers)) {
  world.tenancy.apply(tenantState(tenantId));
  keys[tenantId] = await createEndpoint(service, tenantId, url);
}
const { databaseUrl, jobsPrefix } = world;
serve({ port: 0, key: "", keys, place: { redisUrl, databaseUrl, jobsPrefix } }, async () => {
  await world.stopService(service);
  await world.close();
});

async function createEndpoint(service: Service, tenantId: string, url: string): Promise<string> {
  const { data, messages } = await ask(
    service,
    adminOf(tenantId),
    "mutation ($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) { endpoint { id } } }",
    { input: { tenantId, url, eventTypes: ["quota.warning"] } },
  );
  if (messages.length > 0) throw new Error(messages.join("; "));
  return String(data.createWebhookEndpoint.endpoint.id);
}
