import { maskedUrl } from "#kernel/masked-url.js";
import type { Env } from "#platform/process/config.js";
import { TENANT_EVENT_TYPES } from "#schema/webhook-events.js";
import { askGraph, type ConnectionOptions, findConnection } from "../connection/connection.js";
import { naming } from "../connection/failure.js";
import { graphql } from "../graphql/index.js";
import { printRows, type ShowOptions, tenantsAdvice } from "../show/print.js";
import type { Column } from "../show/table.js";
import { type Endpoint, endpointsAdvice, endpointsOf, type OwnerOptions, ownerOf } from "./owner.js";

const CREATE = graphql(`
  mutation CreateEndpoint($input: CreateWebhookEndpointInput!) {
    createWebhookEndpoint(input: $input) { endpoint { id } secret }
  }
`);
const DELETE = graphql(`
  mutation DeleteEndpoint($id: ID!) { deleteWebhookEndpoint(id: $id) }
`);
const TEST = graphql(`
  mutation TestEndpoint($id: ID!) { sendTestWebhook(endpointId: $id) { id } }
`);

type Printed = ConnectionOptions & { readonly json?: boolean };

export async function listEndpoints(options: ShowOptions & OwnerOptions, env: Env): Promise<void> {
  const found = await endpointsOf(await findConnection(options, env), options);
  const endpoints = found.map((endpoint) => ({ ...endpoint, url: maskedUrl(endpoint.url) }));
  const columns: Column<Endpoint>[] = [
    { name: "ENDPOINT", text: ({ id }) => id },
    { name: "URL", text: ({ url }) => url, mayBeCut: true },
    { name: "STATUS", text: ({ status }) => status },
    {
      name: "EVENTS",
      text: ({ eventTypes }) => eventTypes.join(","),
      short: ({ eventTypes }) => eventTypes.join(", "),
    },
    { name: "REASON", text: ({ disabledReason }) => disabledReason, mayWrap: true },
  ];
  await printRows(endpoints, columns, options);
}

/** Prints the secret alone, so that a shell can keep it; the endpoint's id goes to standard error. */
export async function createEndpoint(
  url: string,
  options: Printed & OwnerOptions & { readonly types?: string },
  env: Env,
): Promise<void> {
  const eventTypes = options.types?.split(",") ?? [...TENANT_EVENT_TYPES];
  const input = { ...ownerOf(options), url, eventTypes };
  const { createWebhookEndpoint: created } = await naming(
    `tenant ${options.tenant}`,
    tenantsAdvice(),
    askGraph(await findConnection(options, env), CREATE, { input }),
  );
  process.stdout.write(`${options.json ? JSON.stringify(created) : created.secret}\n`);
  if (!options.json) process.stderr.write(`${created.endpoint.id}: the secret is shown only now.\n`);
}

export async function deleteEndpoint(id: string, options: Printed, env: Env): Promise<void> {
  await naming(
    `webhook endpoint ${id}`,
    endpointsAdvice(),
    askGraph(await findConnection(options, env), DELETE, { id }),
  );
  process.stdout.write(options.json ? `${JSON.stringify({ deleted: id })}\n` : `${id} is deleted\n`);
}

/** `metrly webhooks test`: sends a test message to an endpoint, also to a disabled one. */
export async function testEndpoint(id: string, options: Printed, env: Env): Promise<void> {
  const { sendTestWebhook: delivery } = await naming(
    `webhook endpoint ${id}`,
    endpointsAdvice(),
    askGraph(await findConnection(options, env), TEST, { id }),
  );
  process.stdout.write(options.json ? `${JSON.stringify(delivery)}\n` : `${delivery.id} is on its way to ${id}\n`);
}
