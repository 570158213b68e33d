import { type IncomingMessage, type Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { createFairQueue } from "#platform/lifecycle/fair-queue.js";
import { nextTurn } from "#platform/lifecycle/time.js";

/** WebSockets opened in a turn of the event loop. */
const PER_TURN = 4;
/** Turns after that without one, at most: one connection is accepted in each. */
const RESTS = 32;

/** Takes over the connection of a request for a WebSocket. `head`: what arrived behind the request. */
export type WebSocketHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

export interface Upgrades {
  /** Requests for a WebSocket with this path, whatever its query, go to `handler` at their turn. Call the result to end that. */
  webSocket(path: string, handler: WebSocketHandler): () => void;
}

/**
 * The only one to answer requests that ask for another protocol: node:http leaves them, and their connections, to whoever
 * listens. What asks for none of the WebSockets is served as if it had not asked (RFC 9110, 7.8): Java's client asks for h2c.
 */
export function serveUpgrades(server: Server, addressOf: (request: IncomingMessage) => string): Upgrades {
  const turns = createUpgradeTurns(server, addressOf);
  const handlers = new Map<string, WebSocketHandler>();
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const isWebSocket = request.headers.upgrade?.toLowerCase() === "websocket";
    const handler = isWebSocket ? handlers.get(request.url?.split("?")[0] ?? "") : undefined;
    if (handler !== undefined) turns.take(request, socket, () => handler(request, socket, head));
    else afterResponses(socket, () => serveAsAsked(server, request, socket, head));
  });
  return {
    webSocket(path, handler) {
      handlers.set(path, handler);
      return () => handlers.delete(path);
    },
  };
}

/** Responses to requests that came before on the connection go first. node:http asks the same way. */
function afterResponses(socket: Duplex, then: () => void): void {
  const response: unknown = Reflect.get(socket, "_httpMessage");
  if (response instanceof ServerResponse) response.once("finish", () => afterResponses(socket, then));
  else if (!socket.destroyed) then();
}

const OF_UPGRADES: ReadonlySet<string> = new Set(["upgrade", "connection", "http2-settings"]);

/** Gives the connection back to the server, with the same request but for its wish. */
function serveAsAsked(server: Server, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const { method, url, httpVersion, rawHeaders } = request;
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? "";
    if (!OF_UPGRADES.has(name.toLowerCase())) lines.push(`${name}: ${rawHeaders[at + 1]}`);
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"), head]));
  server.emit("connection", socket);
}

/** Opens the WebSocket that a request asks for. */
type Open = () => void;

interface UpgradeTurns {
  /** Calls `open` at its turn, unless the client has left by then. */
  take(request: IncomingMessage, socket: Duplex, open: Open): void;
}

/**
 * Opens few WebSockets at a time while connections are accepted: of thousands that connect at once, the last would wait until
 * all others were open. Those that wait take turns by address.
 */
function createUpgradeTurns(server: Server, addressOf: (request: IncomingMessage) => string): UpgradeTurns {
  const waiting = createFairQueue<{ readonly socket: Duplex; readonly open: Open }>(1);
  let opened = 0;
  let hasAccepted = false;
  server.on("connection", () => {
    hasAccepted = true;
  });

  function begin(open: Open): void {
    if (opened === 0) nextTurn(() => rest(RESTS));
    opened += 1;
    open();
  }

  function rest(left: number): void {
    if (hasAccepted && left > 0) nextTurn(() => rest(left - 1));
    else beginWaiting();
    hasAccepted = false;
  }

  function beginWaiting(): void {
    opened = 0;
    while (opened < PER_TURN && waiting.size > 0) {
      const [next] = waiting.take(1);
      if (next?.socket.destroyed === false) begin(next.open);
    }
  }

  return {
    take(request, socket, open) {
      if (waiting.size === 0 && opened < PER_TURN) return begin(open);
      // Nobody else listens until then, and one that is reset would end the process.
      socket.on("error", () => undefined);
      waiting.push(addressOf(request), { socket, open }, 1);
    },
  };
}
