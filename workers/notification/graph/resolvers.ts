import type { Database } from "#platform/database/database.js";
import { buildSubgraph, type Subgraph } from "#platform/graphql/subgraph.js";
import { maySee } from "#schema/policy.js";
import type { Feed } from "../feed/feed.js";
import { createLiveResolver, TenantAlertsResolver } from "./alert-resolvers.js";
import {
  PlatformWebhooksResolver,
  TenantWebhooksResolver,
  WebhookEndpointResolver,
  type WebhookGraphOptions,
  WebhookMutations,
} from "./webhook-resolvers.js";

export interface NotificationGraphOptions extends WebhookGraphOptions {
  readonly database: Database;
  readonly feed: Feed;
}

/** Notification's part of the graph: alerts and webhooks of tenants, webhooks of operators, mutations of webhooks, live subscriptions. */
export function buildNotificationSubgraph(options: NotificationGraphOptions): Promise<Subgraph> {
  return buildSubgraph({
    name: "notification",
    // Every process reads endpoints from the database, whenever it needs them.
    afterMutation: async () => ({ version: options.tenancy.version(), complete: true, missing: [] }),
    resolvers: [
      new TenantAlertsResolver(options.database),
      new TenantWebhooksResolver(options),
      new PlatformWebhooksResolver(options),
      new WebhookEndpointResolver(options),
      new WebhookMutations(options),
      createLiveResolver(options),
    ],
    references: {
      Tenant: ({ id }, { identity }) =>
        typeof id === "string" && maySee(identity, "Query.tenant", id) ? { id } : null,
    },
  });
}
