import { once } from "node:events";
import { createServer } from "node:http";
import type { Logger } from "pino";
import { portOf } from "#platform/http/server.js";
import { TENANT_EVENT_TYPES } from "#schema/webhook-events.js";
import { askGraph, type Connection } from "../connection/connection.js";
import { CREATE_ENDPOINT, ENDPOINTS, UPDATE_ENDPOINT } from "./graph.js";

/** A webhook receiver on loopback that logs deliveries. */
export async function startDemoReceiver(
  connection: Connection,
  tenantIds: readonly string[],
  logger: Logger,
): Promise<() => Promise<void>> {
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => {
      logger.info({ webhookId: request.headers["webhook-id"], path: request.url }, "demo: a webhook was delivered");
      response.writeHead(204).end();
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const base = `http://127.0.0.1:${portOf(server)}`;
  for (const tenantId of tenantIds) await pointEndpoint(connection, tenantId, `${base}/${tenantId}`);
  return () =>
    new Promise((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    });
}

/** The receiver's port changes with each start; the endpoint is updated with the new address. */
async function pointEndpoint(connection: Connection, tenantId: string, url: string): Promise<void> {
  const { tenant } = await askGraph(connection, ENDPOINTS, { tenantId });
  const known = tenant?.webhookEndpoints.find((endpoint) => endpoint.url.startsWith("http://127.0.0.1:"));
  if (known === undefined)
    await askGraph(connection, CREATE_ENDPOINT, { input: { tenantId, url, eventTypes: TENANT_EVENT_TYPES } });
  else await askGraph(connection, UPDATE_ENDPOINT, { id: known.id, input: { url, status: "ENABLED" } });
}
