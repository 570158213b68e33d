import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import Fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  LogController,
} from "fastify";
import { ERROR_CODES, type ErrorCode, MetrlyError } from "#kernel/errors.js";
import { type KeyThrottle, throttledResponse } from "#platform/auth/key-throttle.js";
import { every, type Timer } from "#platform/lifecycle/time.js";

/** The JSON of RFC 9457 `application/problem+json`, with the closed list's `code`. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
}

export function problemOf(error: MetrlyError): Problem {
  const { status, meaning } = ERROR_CODES[error.code];
  return {
    type: `urn:metrly:error:${error.code}`,
    title: meaning,
    status,
    detail: error.message,
    code: error.code,
    ...error.extensions,
  };
}

const RETRY_AFTER_SECONDS = 1;

export function problemHeaders(error: MetrlyError): Readonly<Record<string, string>> {
  const mayComeAgain = error.status === 503 || error.code === "TENANT_OVER_SHARE" || error.code === "TOO_MANY_ATTEMPTS";
  const { retryAfterSeconds = RETRY_AFTER_SECONDS } = error.extensions;
  return {
    "content-type": "application/problem+json",
    ...(mayComeAgain && { "retry-after": String(retryAfterSeconds) }),
    ...(error.status === 401 && { "www-authenticate": "Bearer" }),
  };
}

export function sendProblem(reply: FastifyReply, error: MetrlyError): FastifyReply {
  return (
    reply
      .code(error.status)
      .headers(problemHeaders(error))
      // Bytes: to a text Fastify would add a charset, which this type does not have, and clients that compare it would miss it.
      .send(Buffer.from(JSON.stringify(problemOf(error))))
  );
}

/** Takes a request over from node:http, before Fastify sees it, and answers it whatever happens. */
export type DirectHandler = (request: IncomingMessage, response: ServerResponse) => void;

declare module "fastify" {
  interface FastifyInstance {
    /**
     * Answers requests for exactly this method and URL without Fastify, whose routing, hooks and serialisation cost more than
     * taking one event or one decision does (docs/decisions/0008). Requests whose URL is spelt otherwise, with a query for
     * example, come through Fastify and are answered by the same handler.
     */
    directly(method: string, url: string, handler: DirectHandler): void;
  }
}

/**
 * An HTTP server whose every error is a problem document and whose bugs are logged and masked. `throttle` judges requests on
 * every path, before anything else does.
 */
export function createHttpServer(logger: FastifyBaseLogger, throttle?: KeyThrottle): FastifyInstance {
  const direct = new Map<string, DirectHandler>();
  const app = Fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: 1_048_576,
    forceCloseConnections: "idle",
    serverFactory(handler) {
      const options = { keepAliveTimeout: KEEP_ALIVE_MS };
      const answer: DirectHandler = (request, response) =>
        (direct.get(`${request.method} ${request.url}`) ?? handler)(request, response);
      if (throttle === undefined) return createServer(options, answer);
      return createServer({ ...options, ServerResponse: throttledResponse(throttle) }, (request, response) => {
        const refusal = refusalOf(throttle, request);
        if (refusal === undefined) return answer(request, response);
        response.writeHead(refusal.status, problemHeaders(refusal)).end(JSON.stringify(problemOf(refusal)));
      });
    },
  });
  app.decorate("directly", (method, url, handler) => {
    direct.set(`${method} ${url}`, handler);
    app.route({
      method,
      url,
      onRequest(request, reply) {
        reply.hijack();
        handler(request.raw, reply.raw);
      },
      handler: () => undefined,
    });
  });
  closeWhatFallsIdle(app);
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const known = toMetrlyError(error);
    if (known.code === "INTERNAL") request.log.error({ err: error, url: request.url }, "request failed");
    return sendProblem(reply, known);
  });
  // Everything here takes JSON; with Fastify's own parser for text a body of another type would be a string.
  app.removeContentTypeParser("text/plain");
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split("?")[0] ?? "";
    const allowed = app.supportedMethods.filter((method) => app.findRoute({ method, url: path }) !== null);
    if (allowed.length === 0)
      return sendProblem(reply, new MetrlyError("NOT_FOUND", `There is no ${request.method} ${path}`));
    reply.header("allow", allowed.join(", "));
    return sendProblem(
      reply,
      new MetrlyError("METHOD_NOT_ALLOWED", `${request.method} is not one of ${allowed.join(", ")}`),
    );
  });
  return app;
}

function refusalOf(throttle: KeyThrottle, { headers, socket }: IncomingMessage): MetrlyError | undefined {
  try {
    throttle.assertMayTry(socket.remoteAddress, headers.authorization);
    return undefined;
  } catch (error) {
    if (error instanceof MetrlyError) return error;
    throw error;
  }
}

/** Longer than a proxy keeps its side: it must not send into a connection that is being closed. */
const KEEP_ALIVE_MS = 72_000;
const IDLE_CHECK_MS = 50;

/**
 * A connection that was busy when the server began to close, and is kept alive after its answer, would hold up the close until
 * the client lets go of it.
 */
function closeWhatFallsIdle(app: FastifyInstance): void {
  let timer: Timer | undefined;
  app.addHook("preClose", async () => {
    timer = every(IDLE_CHECK_MS, () => app.server.closeIdleConnections());
  });
  app.addHook("onClose", async () => timer?.cancel());
}

const BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: "MALFORMED",
  404: "NOT_FOUND",
  405: "METHOD_NOT_ALLOWED",
  413: "TOO_LARGE",
  415: "UNSUPPORTED_MEDIA_TYPE",
};

/** Whatever was thrown while a request was handled, as an error that a client may see. */
export function toMetrlyError(error: FastifyError): MetrlyError {
  if (error instanceof MetrlyError) return error;
  const code = BY_STATUS[error.statusCode ?? 500];
  return code === undefined ? new MetrlyError("INTERNAL", "Internal error") : new MetrlyError(code, error.message);
}
