import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import Fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  LogController,
} from "fastify";
import { ERROR_CODES, type ErrorCode, MetrlyError } from "#kernel/errors.js";
import { type KeyThrottle, throttledResponse } from "#platform/auth/key-throttle.js";
import { after, every, type Timer } from "#platform/lifecycle/time.js";

/** The JSON of RFC 9457 `application/problem+json`, with a `code` of the closed list. */
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
      // A Buffer: to a string Fastify would add a charset, which this media type does not have, and which breaks strict
      // clients.
      .send(Buffer.from(JSON.stringify(problemOf(error))))
  );
}

/** The TCP port of a server that listens. */
export function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the HTTP server has no port");
  return address.port;
}

/** Handles a request from node:http before Fastify, and always answers it. */
export type DirectHandler = (request: IncomingMessage, response: ServerResponse) => void;

declare module "fastify" {
  interface FastifyInstance {
    /**
     * Handles requests with exactly this method and URL without Fastify, whose routing, hooks and serialization cost more than
     * handling one event or one decision (docs/decisions/0008). Other spellings of the URL, with a query for example, reach the
     * same handler through Fastify.
     */
    directly(method: string, url: string, handler: DirectHandler): void;
  }
}

/**
 * An HTTP server that answers every error with a problem document, and logs and masks bugs. `throttle` runs first, on every
 * path.
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
  closeWhatIsIdle(app);
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const known = toMetrlyError(error);
    if (known.code === "INTERNAL") request.log.error({ err: error, url: request.url }, "request failed");
    return sendProblem(reply, known);
  });
  // Every route takes JSON; with Fastify's own text parser a body of another type would be a string.
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

/** Longer than a proxy's keep-alive, so that it never sends on a connection being closed. */
const KEEP_ALIVE_MS = 72_000;
const IDLE_CHECK_MS = 50;
/** Half of the time that a process has to stop: what still sends or reads after that is cut off. */
const DRAIN_MS = 5_000;

/**
 * Closing waits for open requests only, and for those at most `DRAIN_MS`. Node closes a connection whose request has ended,
 * but neither one that becomes idle later nor one that never sent a request, which HTTP clients open in advance.
 */
function closeWhatIsIdle(app: FastifyInstance): void {
  const { server } = app;
  const unused = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    unused.add(socket);
    socket.once("close", () => unused.delete(socket));
  });
  const markUsed = ({ socket }: IncomingMessage) => unused.delete(socket);
  server.on("request", markUsed).on("upgrade", markUsed);
  const timers: Timer[] = [];
  app.addHook("preClose", async () => {
    const closeIdle = () => {
      server.closeIdleConnections();
      for (const socket of unused) socket.destroy();
    };
    timers.push(
      every(IDLE_CHECK_MS, closeIdle),
      after(DRAIN_MS, () => server.closeAllConnections()),
    );
  });
  app.addHook("onClose", async () => {
    for (const timer of timers) timer.cancel();
  });
}

const BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: "MALFORMED",
  404: "NOT_FOUND",
  405: "METHOD_NOT_ALLOWED",
  413: "TOO_LARGE",
  415: "UNSUPPORTED_MEDIA_TYPE",
};

/** Converts any exception of a handler to an error that clients may see. */
export function toMetrlyError(error: FastifyError): MetrlyError {
  if (error instanceof MetrlyError) return error;
  const code = BY_STATUS[error.statusCode ?? 500];
  return code === undefined ? new MetrlyError("INTERNAL", "Internal error") : new MetrlyError(code, error.message);
}
