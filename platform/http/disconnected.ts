import { setMaxListeners } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { MetrlyError } from "#kernel/errors.js";
import { every } from "#platform/lifecycle/time.js";

/** The first write to a client that has left is answered with a reset, the second fails by it. */
const PROBE_MS = 1_000;

interface Connection {
  readonly signal: AbortSignal;
  /** Responses that have not begun. */
  readonly waiting: Set<ServerResponse>;
}

const connections = new WeakMap<Socket, Connection>();

/**
 * Aborts when the client has disconnected, with an error that nobody gets. A client that has only ended what it sends still reads
 * its response, and looks the same until something is written to it: every second it gets a `102 Processing`.
 */
export function disconnectedSignal(request: IncomingMessage, response: ServerResponse): AbortSignal {
  const { signal, waiting } = connectionOf(request.socket);
  waiting.add(response);
  response.once("close", () => waiting.delete(response));
  return signal;
}

function connectionOf(socket: Socket): Connection {
  const known = connections.get(socket);
  if (known !== undefined) return known;
  const closed = new AbortController();
  // As many as the connection has open requests.
  setMaxListeners(0, closed.signal);
  const waiting = new Set<ServerResponse>();
  const probing = every(PROBE_MS, () => socket.readableEnded && waiting.forEach(probe), { unref: true });
  function close(): void {
    probing.cancel();
    closed.abort(new MetrlyError("UNAVAILABLE", "The client has disconnected"));
  }
  if (socket.destroyed) close();
  else socket.once("close", close);
  const connection = { signal: closed.signal, waiting };
  connections.set(socket, connection);
  return connection;
}

function probe(response: ServerResponse): void {
  if (response.req.httpVersion !== "1.0" && !response.headersSent) response.writeProcessing();
}
