import { once } from "node:events";
import { createServer } from "node:http";
import type { Logger } from "pino";
import { portOf } from "#platform/http/server.js";
import { TENANT_EVENT_TYPES } from "#schema/webhook-events.js";
import { askGraph, type Connection } from "../connection/connection.js";
import { CREATE_ENDPOINT, ENDPOINTS, TEST_ENDPOINT, UPDATE_ENDPOINT } from "./graph.js";
import { patiently } from "./patient.js";

/** Whose receiver is gone for ever: what was sent to it is a dead letter. */
const GONE = { tenantId: "acme", path: "/acme/old" } as const;

interface DemoLog {
  readonly logger: Logger;
  /** Called with the endpoint that will fail, before it does. */
  willFail(endpointId: string): void;
}

/** A webhook receiver on loopback; it logs deliveries at level debug. It is too busy for the first one, which is delivered again. */
export async function startDemoReceiver(
  connection: Connection,
  tenantIds: readonly string[],
  { logger, willFail }: DemoLog,
): Promise<() => Promise<void>> {
  let isBusy = true;
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => {
      const status = request.url === GONE.path ? 410 : isBusy ? 503 : 204;
      if (request.url !== GONE.path) isBusy = false;
      const told = { webhookId: request.headers["webhook-id"], path: request.url, status };
      logger.debug(told, "demo: the receiver answered a webhook");
      response.writeHead(status).end();
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const base = `http://127.0.0.1:${portOf(server)}`;
  await Promise.all(tenantIds.map((tenantId) => pointEndpoint(connection, tenantId, base)));
  await loseOneMessage(connection, base, { logger, willFail });
  return () =>
    new Promise((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    });
}

async function endpointAt(connection: Connection, tenantId: string, path: string) {
  const { tenant } = await patiently(() => askGraph(connection, ENDPOINTS, { tenantId }));
  return tenant?.webhookEndpoints.find(
    ({ url }) => new URL(url).hostname === "127.0.0.1" && new URL(url).pathname === path,
  );
}

/** The receiver's port changes with each start; the endpoint is updated with the new address. */
async function pointEndpoint(connection: Connection, tenantId: string, base: string): Promise<void> {
  const path = `/${tenantId}`;
  const known = await endpointAt(connection, tenantId, path);
  const url = `${base}${path}`;
  if (known === undefined)
    await patiently(() =>
      askGraph(connection, CREATE_ENDPOINT, { input: { tenantId, url, eventTypes: TENANT_EVENT_TYPES } }),
    );
  else
    await patiently(() => askGraph(connection, UPDATE_ENDPOINT, { id: known.id, input: { url, status: "ENABLED" } }));
}

async function loseOneMessage(connection: Connection, base: string, { logger, willFail }: DemoLog): Promise<void> {
  const { tenantId, path } = GONE;
  if ((await endpointAt(connection, tenantId, path)) !== undefined) return;
  const input = { tenantId, url: `${base}${path}`, eventTypes: ["invoice.generated"] };
  const { createWebhookEndpoint: created } = await patiently(() => askGraph(connection, CREATE_ENDPOINT, { input }));
  const endpointId = created.endpoint.id;
  // Before the warning that it causes.
  willFail(endpointId);
  const why = "demo: one webhook endpoint answers 410 Gone on purpose, to show a dead letter: a warning follows";
  logger.info({ endpointId }, why);
  await patiently(() => askGraph(connection, TEST_ENDPOINT, { id: endpointId }));
}
