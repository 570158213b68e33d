import { asTyped } from "../as-typed.js";
import { askGraph, type Connection } from "../connection/connection.js";
import { UserError } from "../connection/failure.js";
import type { EndpointListQuery } from "../graphql/graphql.js";
import { graphql } from "../graphql/index.js";
import { present } from "../show/print.js";

const OF_TENANT = graphql(`
  query EndpointList($tenantId: ID!) {
    tenant(id: $tenantId) { webhookEndpoints { id url eventTypes status disabledReason } }
  }
`);
const OF_PLATFORM = graphql(`
  query PlatformEndpointList { platformWebhookEndpoints { id url eventTypes status disabledReason } }
`);

export type Endpoint = NonNullable<EndpointListQuery["tenant"]>["webhookEndpoints"][number];

export const endpointsAdvice = (): string => `List them: ${asTyped("webhooks list --tenant ID")}, or --platform`;

/** Whose endpoints or key a command is about. */
export interface OwnerOptions {
  readonly tenant?: string;
  readonly platform?: boolean;
}

/** The owner as `createWebhookEndpoint` and `issueApiKey` take it. Throws `UserError` if none is named. */
export function ownerOf({
  tenant,
  platform,
}: OwnerOptions): { readonly tenantId: string } | { readonly platform: true } {
  if (platform === true) return { platform };
  if (tenant === undefined) throw new UserError("Name a tenant with --tenant, or pass --platform.");
  return { tenantId: tenant };
}

/** The owner's endpoints, the oldest first. Throws `UserError`. */
export async function endpointsOf(connection: Connection, options: OwnerOptions): Promise<readonly Endpoint[]> {
  const owner = ownerOf(options);
  if ("platform" in owner) return (await askGraph(connection, OF_PLATFORM)).platformWebhookEndpoints;
  return present((await askGraph(connection, OF_TENANT, owner)).tenant, owner.tenantId).webhookEndpoints;
}
