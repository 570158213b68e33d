import { type IncomingMessage, type Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

/** Takes over the connection of a request for a WebSocket. `head`: what arrived behind the request. */
export type WebSocketHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

export interface Upgrades {
  /** Requests for a WebSocket with this path, whatever its query, go to `handler`. Call the result to end that. */
  webSocket(path: string, handler: WebSocketHandler): () => void;
}

/**
 * The only one to answer requests that ask for another protocol: node:http leaves them, and their connections, to whoever
 * listens. What asks for none of the WebSockets is served as if it had not asked (RFC 9110, 7.8): Java's client asks for h2c.
 */
export function serveUpgrades(server: Server): Upgrades {
  const handlers = new Map<string, WebSocketHandler>();
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const isWebSocket = request.headers.upgrade?.toLowerCase() === "websocket";
    const handler = isWebSocket ? handlers.get(request.url?.split("?")[0] ?? "") : undefined;
    if (handler !== undefined) handler(request, socket, head);
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
