import type { IncomingMessage, ServerResponse } from "node:http";
import { MetrlyError } from "#kernel/errors.js";
import { createBodyParts } from "./body-parts.js";
import { refuseCoded } from "./content-coding.js";
import { jsonLine, knownErrorOf, problemHeaders, problemOf } from "./problem.js";

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
  const text = jsonLine(body);
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
  const known = knownErrorOf(error);
  if (known !== error) logger.error({ err: error, url: response.req.url }, "request failed");
  const body = Buffer.from(jsonLine(problemOf(known)));
  response.writeHead(known.status, { ...problemHeaders(known), "content-length": body.length }).end(body);
}

export interface BodyOptions {
  /** Whether the caller decodes content codings itself. By default a coded body is refused. */
  readonly decodes?: boolean;
  /** Called for each part that arrives; what it throws refuses the request. */
  readonly arrived?: (bytes: number) => void;
}

/**
 * Calls one of the two once, or neither when the client disconnects before the body is complete. Keeps nothing of a refused
 * body: the response reads and drops the rest of it.
 */
export function readBody(
  request: IncomingMessage,
  maxBytes: number,
  failed: (error: unknown) => void,
  whole: (body: Buffer) => void,
  { decodes = false, arrived }: BodyOptions = {},
): void {
  let parts = createBodyParts();
  let bytes = 0;
  const isTooLarge = () => new MetrlyError("TOO_LARGE", `A body has at most ${maxBytes} bytes`);
  const isAnnouncedTooLarge = Number(request.headers["content-length"] ?? 0) > maxBytes;
  const refusal = (decodes ? undefined : refuseCoded(request)) ?? (isAnnouncedTooLarge ? isTooLarge() : undefined);
  if (refusal !== undefined) {
    failed(refusal);
    return;
  }
  const take = (chunk: Buffer) => {
    bytes += chunk.length;
    try {
      if (bytes > maxBytes) throw isTooLarge();
      arrived?.(chunk.length);
      parts.add(chunk);
    } catch (error) {
      parts = createBodyParts();
      request.off("data", take).off("end", complete).pause();
      failed(error);
    }
  };
  const complete = () => whole(parts.whole());
  request.on("data", take).on("end", complete);
}
