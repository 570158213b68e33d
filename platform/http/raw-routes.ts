import type { IncomingMessage, ServerResponse } from "node:http";
import { MetrlyError } from "#kernel/errors.js";
import { problemHeaders, problemOf } from "./server.js";

/**
 * Shared parts of raw routes (`FastifyInstance.directly`): reading a request's body, and responses like those of Fastify's
 * routes.
 */

/** Sends JSON; `undefined`: no body. */
export function answerDirectly(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (body === undefined) {
    response.writeHead(status, headers).end();
    return;
  }
  const text = JSON.stringify(body);
  response
    .writeHead(status, {
      ...headers,
      "content-type": "application/json; charset=utf-8",
      "content-length": Buffer.byteLength(text),
    })
    .end(text);
}

/** Sends the problem document of an error; a bug is logged and masked. */
export function answerProblem(
  response: ServerResponse,
  error: unknown,
  logger: { error(details: object, message: string): void },
): void {
  if (response.destroyed || response.headersSent) return;
  const known = error instanceof MetrlyError ? error : new MetrlyError("INTERNAL", "Internal error");
  if (known !== error) logger.error({ err: error, url: response.req.url }, "request failed");
  const body = Buffer.from(JSON.stringify(problemOf(known)));
  // node:http drains the rest of the body, so that the connection stays usable.
  const rest = known.code === "TOO_LARGE" ? { connection: "close" } : {};
  response.writeHead(known.status, { ...problemHeaders(known), ...rest, "content-length": body.length }).end(body);
}

/** Calls one of the two once, or neither when the client disconnects before the body is complete. */
export function readBody(
  request: IncomingMessage,
  maxBytes: number,
  failed: (error: MetrlyError) => void,
  whole: (body: Buffer) => void,
): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const isTooLarge = () => new MetrlyError("TOO_LARGE", `A body has at most ${maxBytes} bytes`);
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) {
    failed(isTooLarge());
    return;
  }
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= maxBytes) {
      chunks.push(chunk);
      return;
    }
    request.removeAllListeners("data");
    request.removeAllListeners("end");
    request.resume();
    failed(isTooLarge());
  });
  request.on("end", () => {
    const [only] = chunks;
    whole(chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks));
  });
}
