import { type IncomingMessage, type Server } from "node:http";
import type { Socket } from "node:net";
import { MetrlyError } from "#kernel/errors.js";
import { every, nextTurn, type Timer } from "#platform/lifecycle/time.js";
import { hasBody, isAnswering } from "./early-answers.js";
import { problemHeaders, problemOf } from "./problem.js";

/** Longer than a proxy's keep-alive, so that it never sends on a connection being closed. */
const KEEP_ALIVE_MS = 72_000;
/** From the connection, or the request's first byte, to the end of its header. */
const HEADER_MS = 10_000;
/** From the request's first byte to its last. */
const REQUEST_MS = 30_000;
const CHECK_MS = 1_000;
/** After this grace, a body must have arrived at this rate on average. */
const GRACE_SECONDS = 5;
const MIN_BYTES_PER_SECOND = 4_096;
const MAX_HEADER_BYTES = 16_384;

/** The time that node:http gives a client for each part of a request. */
export const TIME_LIMITS = {
  keepAliveTimeout: KEEP_ALIVE_MS,
  headersTimeout: HEADER_MS,
  requestTimeout: REQUEST_MS,
  connectionsCheckingInterval: CHECK_MS,
  maxHeaderSize: MAX_HEADER_BYTES,
} as const;

interface Arriving {
  readonly request: IncomingMessage;
  /** Of the connection when the body began. */
  readonly bytesBefore: number;
  /** Counted by checks, not by the clock: a process that was busy must not blame its clients. */
  seconds: number;
}

/** Ends requests whose bodies stop arriving, or arrive slower than the least rate. Call the result to stop. */
export function watchBodies(server: Server): () => void {
  const arriving = new Set<Arriving>();
  let begun: Arriving[] = [];
  let timer: Timer | undefined;

  /** Most bodies arrive with their header: only others are watched. */
  function watchBegun(): void {
    for (const one of begun) if (!one.request.complete) arriving.add(one);
    begun = [];
  }

  function check(): void {
    for (const one of arriving) {
      const { request, bytesBefore } = one;
      // While nobody reads it, its client cannot send.
      if (request.readableFlowing === true) one.seconds += CHECK_MS / 1_000;
      if (request.complete || request.destroyed) arriving.delete(one);
      else if (request.socket.bytesRead - bytesBefore < (one.seconds - GRACE_SECONDS) * MIN_BYTES_PER_SECOND) {
        arriving.delete(one);
        server.emit(
          "clientError",
          Object.assign(new Error("the body is too slow"), { code: TIMED_OUT }),
          request.socket,
        );
      }
    }
  }

  server.on("listening", () => {
    timer ??= every(CHECK_MS, check, { unref: true });
  });
  server.on("request", (request: IncomingMessage) => {
    if (!hasBody(request)) return;
    if (begun.length === 0) nextTurn(watchBegun);
    begun.push({ request, bytesBefore: request.socket.bytesRead, seconds: 0 });
  });
  return () => timer?.cancel();
}

const TIMED_OUT = "ERR_HTTP_REQUEST_TIMEOUT";

/** Answers a request that did not arrive, or that is no HTTP, and closes its connection. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ECONNRESET" || socket.destroyed) return;
  if (socket.writable && !isAnswering(socket)) socket.write(responseTo(problemOfClient(error.code)));
  socket.destroySoon();
}

function problemOfClient(code: string | undefined): MetrlyError {
  if (code === TIMED_OUT)
    return new MetrlyError(
      "REQUEST_TIMEOUT",
      `A request's header arrives within ${HEADER_MS / 1_000} s and its body within ${REQUEST_MS / 1_000} s, at ${MIN_BYTES_PER_SECOND} bytes a second or more`,
    );
  if (code === "HPE_HEADER_OVERFLOW")
    return new MetrlyError("TOO_LARGE", `A request's header has at most ${MAX_HEADER_BYTES} bytes`);
  return new MetrlyError("MALFORMED", "The request is not well-formed HTTP/1.1");
}

function responseTo(error: MetrlyError): string {
  const body = JSON.stringify(problemOf(error));
  const headers = { ...problemHeaders(error), "content-length": Buffer.byteLength(body), connection: "close" };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${error.status} ${error.code}\r\n${lines.join("")}\r\n${body}`;
}
