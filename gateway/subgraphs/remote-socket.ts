import { createClient, type SubscribePayload } from "graphql-ws";
import { WebSocket } from "ws";
import { SUBGRAPH_PATH } from "#platform/graphql/subgraph-server.js";
import { after, type Timer } from "#platform/lifecycle/time.js";

const CONNECT_TIMEOUT_MS = 1_000;
const ACKNOWLEDGE_TIMEOUT_MS = 3_000;
/** Heartbeat interval: a dead peer is detected within twice this time. */
const PING_MS = 5_000;
/** Keeps an idle socket open for subsequent operations. */
const LINGER_MS = 5_000;
const MAX_MESSAGE_BYTES = 8 * 1024 * 1024;

/** Receives any number of results, then one end, and nothing after either side left. */
export interface RemoteSink {
  next(payload: unknown): void;
  /** GraphQL errors when the operation was refused, else the reason why the socket closed. */
  error(reason: unknown): void;
  complete(): void;
}

/** Operations of one subgraph on one shared socket, opened with the first. */
export interface RemoteSocket {
  /** Returns the unsubscribe function. Never reconnects: the payload's identity and position expire. */
  subscribe(payload: SubscribePayload, sink: RemoteSink): () => void;
  stop(): void;
}

export function openRemoteSocket(url: string, pingMs = PING_MS): RemoteSocket {
  const target = new URL(SUBGRAPH_PATH, url);
  target.protocol = target.protocol === "https:" ? "wss:" : "ws:";
  const sockets = new Set<WebSocket>();
  const cutOff = () => {
    for (const socket of sockets) socket.terminate();
  };
  const operations = new Set<(reason: unknown) => void>();
  let pongDeadline: Timer | undefined;
  let failure: unknown;
  const client = createClient({
    url: target.href,
    webSocketImpl: socketClass(sockets),
    retryAttempts: 0,
    lazyCloseTimeout: LINGER_MS,
    connectionAckWaitTimeout: ACKNOWLEDGE_TIMEOUT_MS,
    keepAlive: pingMs,
    on: {
      ping(received) {
        if (!received) pongDeadline = after(pingMs, cutOff);
      },
      pong: () => pongDeadline?.cancel(),
      error(event) {
        failure = event;
      },
      closed(event) {
        pongDeadline?.cancel();
        const reason = failure ?? event;
        failure = undefined;
        // After a "normal" close the client would resend the same payload on a new socket and repeat delivered events.
        for (const lost of [...operations]) lost(reason);
      },
    },
  });
  return {
    subscribe(payload, sink) {
      const end = (tell: () => void) => {
        if (operations.delete(lost)) tell();
      };
      const lost = (reason: unknown) =>
        end(() => {
          leave();
          sink.error(reason);
        });
      operations.add(lost);
      const leave = client.subscribe(payload, {
        next(result) {
          if (operations.has(lost)) sink.next(result);
        },
        error: (reason) => end(() => sink.error(reason)),
        complete: () => end(() => sink.complete()),
      });
      return () => end(leave);
    },
    stop() {
      pongDeadline?.cancel();
      cutOff();
    },
  };
}

function socketClass(sockets: Set<WebSocket>) {
  return class extends WebSocket {
    constructor(address: string, protocol: string) {
      super(address, protocol, { handshakeTimeout: CONNECT_TIMEOUT_MS, maxPayload: MAX_MESSAGE_BYTES });
      sockets.add(this);
      this.once("close", () => sockets.delete(this));
    }
  };
}

/** Text for the log: close events and the like print as "[object Object]". */
export function reasonText(reason: unknown): string {
  if (reason instanceof Error) return reason.message;
  if (typeof reason !== "object" || reason === null) return String(reason);
  if ("error" in reason && reason.error instanceof Error) return reason.error.message;
  if ("code" in reason && "reason" in reason)
    return `its socket closed (${reason.code} ${reason.reason})`.replace(" )", ")");
  return JSON.stringify(reason);
}
