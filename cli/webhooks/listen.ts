import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { Webhook } from "standardwebhooks";
import { messageOf } from "#kernel/errors.js";
import { portOf } from "#platform/http/server.js";
import { nowMs } from "#platform/lifecycle/time.js";
import type { Env } from "#platform/process/config.js";
import { TENANT_EVENT_TYPES } from "#schema/webhook-events.js";
import { asTyped } from "../as-typed.js";
import { askGraph, type Connection, type ConnectionOptions, findConnection } from "../connection/connection.js";
import { naming, UserError } from "../connection/failure.js";
import { graphql } from "../graphql/index.js";
import { surviveLostTerminal } from "../lost-terminal.js";
import { tenantsAdvice } from "../show/print.js";
import { onSignals } from "../signals.js";

const CREATE = graphql(`
  mutation Listen($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) { endpoint { id } secret } }
`);
const DELETE = graphql(`
  mutation StopListening($id: ID!) { deleteWebhookEndpoint(id: $id) }
`);
/** Metrly's payloads are far smaller. */
const MAX_BODY_BYTES = 1_048_576;

interface ListenOptions extends ConnectionOptions {
  readonly tenant: string;
  readonly types?: string;
  readonly port?: string;
  readonly json?: boolean;
}

/**
 * `metrly webhooks listen`: an endpoint on this machine while the command runs. Prints each delivery and whether its
 * signature verifies; answers 204, or 401 on a wrong signature.
 */
export async function listenToWebhooks(options: ListenOptions, env: Env): Promise<void> {
  if (!/^\d{0,5}$/.test(options.port ?? "")) throw new UserError(`--port: "${options.port}" is not a port.`);
  const connection = await findConnection(options, env);
  let verify = (_body: string, _headers: IncomingMessage["headers"]): void => {
    throw new Error("nothing is signed for this endpoint yet");
  };
  const server = createServer((request, response) => {
    readBody(request).then(
      (body) => {
        const failure = body === undefined ? "the body is too large" : refused(() => verify(body, request.headers));
        const webhookId = String(request.headers["webhook-id"] ?? "");
        process.stdout.write(
          `${shown({ at: new Date(nowMs()).toISOString(), webhookId, failure, body }, options.json)}\n`,
        );
        response.writeHead(failure === undefined ? 204 : 401).end();
      },
      // An aborted request gets no response; the sender retries.
      () => response.destroy(),
    );
  });
  const port = await listening(server, Number(options.port ?? 0));
  // From here on an interruption must delete the endpoint, also that of a closed terminal.
  surviveLostTerminal();
  const ended = interrupted();
  try {
    const { id, secret } = await createEndpoint(connection, options, `http://127.0.0.1:${port}/`);
    const webhook = new Webhook(secret);
    verify = (body, headers) =>
      webhook.verify(body, Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])));
    process.stderr.write(
      `Listening on 127.0.0.1:${port} as an endpoint of ${options.tenant}.\n` +
        "Ctrl-C stops it and deletes the endpoint. From another terminal, test it with:\n" +
        `  ${asTyped(`webhooks test ${id}`)}\n`,
    );
    await ended;
    await askGraph(connection, DELETE, { id });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

interface Received {
  readonly at: string;
  readonly webhookId: string;
  readonly failure: string | undefined;
  readonly body: string | undefined;
}

function shown({ failure, ...view }: Received, json = false): string {
  const verified = failure === undefined;
  if (json) return JSON.stringify({ ...view, verified, failure });
  return `${view.at} ${verified ? "verified" : `NOT VERIFIED (${failure})`} ${view.webhookId}\n${view.body ?? ""}`;
}

async function createEndpoint(
  connection: Connection,
  { tenant: tenantId, types }: ListenOptions,
  url: string,
): Promise<{ readonly id: string; readonly secret: string }> {
  const input = { tenantId, url, eventTypes: types?.split(",") ?? TENANT_EVENT_TYPES };
  const { createWebhookEndpoint: created } = await naming(
    `tenant ${tenantId}`,
    tenantsAdvice(),
    askGraph(connection, CREATE, { input }),
  );
  return { id: created.endpoint.id, secret: created.secret };
}

function refused(check: () => void): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
  }
  return bytes > MAX_BODY_BYTES ? undefined : Buffer.concat(chunks).toString("utf8");
}

async function listening(server: Server, port: number): Promise<number> {
  await once(server.listen(port, "127.0.0.1"), "listening").catch((error: unknown) => {
    throw new UserError(`Cannot listen on port ${port}: ${messageOf(error)}`);
  });
  return portOf(server);
}

const interrupted = (): Promise<unknown> =>
  new Promise((resolve) => onSignals(["SIGINT", "SIGTERM", "SIGHUP"], resolve, { once: true }));
