import type { Socket } from "node:net";
import { MetrlyError } from "#kernel/errors.js";
import { isAnswering } from "./early-answers.js";
import { jsonLine, problemHeaders, problemOf } from "./problem.js";

/** Longer than a proxy's keep-alive, so that it never sends on a connection being closed. */
const KEEP_ALIVE_MS = 72_000;
/** From the connection, or the request's first byte, to the end of its header. */
const HEADER_MS = 10_000;
/** From the request's first byte to its last. */
const REQUEST_MS = 30_000;
const CHECK_MS = 1_000;
/** The least rate of a body, on average. */
export const MIN_BYTES_PER_SECOND = 4_096;
const MAX_HEADER_BYTES = 16_384;

/** The time that node:http gives a client for each part of a request. */
export const TIME_LIMITS = {
  keepAliveTimeout: KEEP_ALIVE_MS,
  headersTimeout: HEADER_MS,
  requestTimeout: REQUEST_MS,
  connectionsCheckingInterval: CHECK_MS,
  maxHeaderSize: MAX_HEADER_BYTES,
} as const;

/** A request that did not arrive in time. */
export const TIMED_OUT = new MetrlyError(
  "REQUEST_TIMEOUT",
  `A request's header arrives within ${HEADER_MS / 1_000} s and its body within ${REQUEST_MS / 1_000} s, at ${MIN_BYTES_PER_SECOND} bytes a second or more`,
);

/** Answers a request that did not arrive, or that is no HTTP, and closes its connection. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code !== "ECONNRESET") refuseRequest(socket, problemOfClient(error.code));
}

/** Answers the request that arrives on a connection, if nothing has answered it yet, and closes the connection. */
export function refuseRequest(socket: Socket, error: MetrlyError): void {
  // Everything that a client still sends after a first refusal leads here again.
  if (socket.destroyed || socket.writableEnded) return;
  if (socket.writable && !isAnswering(socket)) socket.write(responseTo(error));
  socket.destroySoon();
}

function problemOfClient(code: string | undefined): MetrlyError {
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return TIMED_OUT;
  if (code === "HPE_HEADER_OVERFLOW")
    return new MetrlyError("TOO_LARGE", `A request's header has at most ${MAX_HEADER_BYTES} bytes`);
  return new MetrlyError("MALFORMED", "The request is not well-formed HTTP/1.1");
}

function responseTo(error: MetrlyError): string {
  const body = jsonLine(problemOf(error));
  const headers = { ...problemHeaders(error), "content-length": Buffer.byteLength(body), connection: "close" };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${error.status} ${error.code}\r\n${lines.join("")}\r\n${body}`;
}
