import { createServer } from "node:http";
import { expect } from "vitest";
import { waitFor } from "../../servers/servers.js";
import { ask } from "../../support/client.js";
import { graphql } from "../../support/graphql/index.js";
import type { Target } from "../whole-path/proof.js";
import { CREATE_ENDPOINT } from "../whole-path/world.js";

const DELIVERIES = graphql(`query ReceiverDeliveries($tenantId: ID!, $after: Cursor) { tenant(id: $tenantId) {
  alerts(first: 200) { nodes { id } }
  invoices(first: 200) { nodes { id } }
  webhookEndpoints { deliveries(first: 200, after: $after) { nodes { eventId eventType status } pageInfo { hasNextPage } } } } }`);

/** A webhook receiver that stores deliveries. */
export interface Receiver {
  /** An endpoint for each tenant, at its own path. */
  subscribe(target: Target, tenants: readonly string[]): Promise<void>;
  /** Distinct `webhook-id`s by tenant. */
  received(tenantId: string): ReadonlySet<string>;
  stop(): Promise<void>;
}

export async function startReceiver(): Promise<Receiver> {
  const received = new Map<string, Set<string>>();
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => {
      const tenantId = request.url?.slice(1) ?? "";
      const ids = received.get(tenantId) ?? new Set<string>();
      received.set(tenantId, ids.add(String(request.headers["webhook-id"])));
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the receiver has no port");
  return {
    async subscribe({ url, admin }, tenants) {
      for (const tenantId of tenants) {
        const input = {
          tenantId,
          url: `http://127.0.0.1:${address.port}/${tenantId}`,
          eventTypes: ["quota.warning", "quota.exceeded", "invoice.generated"],
        };
        // A mutation waits 2 s at most until its version is everywhere.
        const created = () => ask(url, admin, CREATE_ENDPOINT, { input });
        await waitFor(created, { what: `an endpoint of ${tenantId}` });
      }
    },
    received: (tenantId) => received.get(tenantId) ?? new Set(),
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

/** Every alert and invoice has a delivery, every delivery is delivered, and the receiver has each. */
export async function expectNoticesDelivered(
  { url, admin }: Target,
  tenants: readonly string[],
  receiver: Receiver,
): Promise<void> {
  for (const tenantId of tenants) {
    const { tenant } = await waitFor(
      async () => {
        const answer = await ask(url, admin, DELIVERIES, { tenantId });
        const deliveries = answer.tenant.webhookEndpoints.flatMap((endpoint) => endpoint.deliveries.nodes);
        const planned = answer.tenant.alerts.nodes.length + answer.tenant.invoices.nodes.length;
        const settled = deliveries.every((delivery) => delivery.status === "DELIVERED");
        return settled && deliveries.length === planned ? answer : undefined;
      },
      { what: `every notice of ${tenantId} to be delivered`, deadlineMs: 120_000 },
    );
    const deliveries = tenant.webhookEndpoints.flatMap((endpoint) => endpoint.deliveries.nodes);
    expect(tenant.invoices.nodes).toHaveLength(1);
    expect(receiver.received(tenantId).size, tenantId).toBe(
      new Set(deliveries.map((delivery) => delivery.eventId)).size,
    );
  }
}
