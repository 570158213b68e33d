import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { ConnectionInitMessage, ServerOptions } from "graphql-ws";
import { type Extra, useServer as serveProtocol } from "graphql-ws/use/ws";
import type { Logger } from "pino";
import { type WebSocket, WebSocketServer } from "ws";
import { isJsonObject } from "#kernel/json.js";
import { after } from "#platform/lifecycle/time.js";
import { boundHeldBytes, ClientSocket } from "./client-socket.js";
import { createMessageTurns, type MessageSender } from "./message-turns.js";
import { withReusedIds } from "./reused-ids.js";

/** From the close of a socket by either side until its connection is cut off. */
const CLOSE_GRACE_MS = 1_000;
/** Of one message: each pins the block that it was read with. */
const MAX_FRAGMENTS = 64;
/** Reads from the connection for one frame. */
const MAX_CHUNKS = 2_048;

export interface GraphqlSocketOptions<Params extends ConnectionInitMessage["payload"]> {
  /** Upgrades on other paths are answered 404. */
  readonly path: string;
  readonly maxMessageBytes: number;
  /** Of all sockets: messages that their clients do not complete, and the overhead of those that they do not read. */
  readonly maxHeldBytes?: number;
  /** The options of graphql-ws. */
  readonly protocol: ServerOptions<Params, Extra>;
  /** Whose turn it is to have a message handled; undefined: messages are handled as they arrive. */
  readonly senderOf?: (socket: WebSocket, request: IncomingMessage) => MessageSender;
  readonly logger: Logger;
  /** Called for each socket before its `connection_init`. */
  readonly onOpened?: (socket: WebSocket) => void;
  /** Called for each closed socket. */
  readonly onClosed?: (socket: WebSocket) => void;
}

/** GraphQL over graphql-transport-ws on an HTTP server's upgrades. */
export interface GraphqlSocketServer {
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Closes every client's socket; one that does not respond within a second is terminated. */
  stop(): Promise<void>;
}

/** What only servers send. From a client graphql-ws takes it for a fault of ours: it prints a stack, and closes with 4500. */
const SERVERS_MESSAGES: ReadonlySet<unknown> = new Set(["connection_ack", "next", "error"]);

/** A reviver of messages: what it throws closes the socket with 4400. The whole message has the empty name. */
function refuseServersMessages(name: string, value: unknown): unknown {
  if (name === "" && isJsonObject(value) && SERVERS_MESSAGES.has(value.type))
    throw new TypeError("a client does not send this message");
  return value;
}

export function serveGraphqlSocket<Params extends ConnectionInitMessage["payload"]>(
  options: GraphqlSocketOptions<Params>,
): GraphqlSocketServer {
  const { logger, senderOf } = options;
  const turns = createMessageTurns();
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: options.maxMessageBytes,
    maxFragments: MAX_FRAGMENTS,
    maxBufferedChunks: MAX_CHUNKS,
    // Reads one message of each socket in a turn of the event loop, and answers one ping: a block of 64 KiB has thousands.
    allowSynchronousEvents: false,
    WebSocket: ClientSocket,
  });
  const stopBounding = boundHeldBytes(server.clients, options.maxHeldBytes);
  serveProtocol<Params, Partial<Extra>>(
    { ...withReusedIds(options.protocol), isProd: true, jsonMessageReviver: refuseServersMessages },
    server,
  );
  server.on("connection", (socket: ClientSocket, request: IncomingMessage) => {
    // The library's own listener logs one client error to the console and lets a second one crash the process.
    socket.removeAllListeners("error");
    socket.on("error", (error) => logger.debug({ err: error }, "a GraphQL socket failed"));
    socket.cutOffAfterClosing(CLOSE_GRACE_MS);
    if (senderOf !== undefined) {
      const handlers = socket.listeners("message");
      socket.removeAllListeners("message");
      turns.serve(
        socket,
        () => senderOf(socket, request),
        (...message) => {
          for (const handle of handlers) Reflect.apply(handle, socket, message);
        },
      );
    }
    socket.once("close", () => options.onClosed?.(socket));
    options.onOpened?.(socket);
  });
  return {
    handleUpgrade(request, socket, head) {
      socket.on("error", (error) => logger.debug({ err: error }, "an upgrade failed"));
      if (request.url?.split("?")[0] !== options.path) {
        socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        return;
      }
      server.handleUpgrade(request, socket, head, (ready) => server.emit("connection", ready, request));
    },
    async stop() {
      for (const socket of server.clients) socket.close(1001, "Going away");
      const terminate = after(CLOSE_GRACE_MS, () => {
        for (const socket of server.clients) socket.terminate();
      });
      await new Promise<void>((resolve, reject) => server.close((error) => (error ? reject(error) : resolve())));
      terminate.cancel();
      stopBounding();
    },
  };
}
