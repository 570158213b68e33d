import { setMaxListeners } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { MetrlyError } from "#kernel/errors.js";
import { every, type Timer } from "#platform/lifecycle/time.js";

/** The first write to a client that has left is answered with a reset, the second fails by it. */
const PROBE_MS = 250;

interface Connection {
  readonly signal: AbortSignal;
  /** Responses that have not begun. */
  readonly waiting: Set<ServerResponse>;
}

const connections = new WeakMap<Socket, Connection>();

/** What ends the work for a client that has left. Nobody gets it. */
export const clientLeft = (): MetrlyError => new MetrlyError("UNAVAILABLE", "The client has disconnected");

export interface ClientHabits {
  /** Whether it may end what it sends and still read its response; default: it may. The same for all requests of a connection. */
  readonly halfCloses?: boolean;
}

/**
 * Aborts when the client has disconnected, with an error that nobody gets. A client that has only ended what it sends still reads
 * its response, and looks the same until something is written to it: it gets a `102 Processing` every quarter of a second.
 */
export function disconnectedSignal(
  request: IncomingMessage,
  response: ServerResponse,
  { halfCloses = true }: ClientHabits = {},
): AbortSignal {
  const { signal, waiting } = connectionOf(request.socket, halfCloses);
  waiting.add(response);
  response.once("close", () => waiting.delete(response));
  return signal;
}

function connectionOf(socket: Socket, halfCloses: boolean): Connection {
  const known = connections.get(socket);
  if (known !== undefined) return known;
  const closed = new AbortController();
  // As many as the connection has open requests.
  setMaxListeners(0, closed.signal);
  const waiting = new Set<ServerResponse>();
  let probing: Timer | undefined;
  function close(): void {
    probing?.cancel();
    closed.abort(clientLeft());
  }
  function end(): void {
    if (halfCloses) probing = every(PROBE_MS, () => waiting.forEach(probe), { unref: true });
    else close();
  }
  if (socket.destroyed) close();
  else {
    socket.once("close", close);
    if (socket.readableEnded) end();
    else socket.once("end", end);
  }
  const connection = { signal: closed.signal, waiting };
  connections.set(socket, connection);
  return connection;
}

function probe(response: ServerResponse): void {
  if (response.req.httpVersion !== "1.0" && !response.headersSent) response.writeProcessing();
}
