import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import Fastify, { type FastifyBaseLogger, type FastifyError, type FastifyInstance, LogController } from "fastify";
import { type ErrorCode, MetrlyError } from "#kernel/errors.js";
import { createClientAddress } from "#platform/auth/client-address.js";
import { type KeyThrottle, throttledResponse } from "#platform/auth/key-throttle.js";
import { after, every, type Timer } from "#platform/lifecycle/time.js";
import { type CredentialCheck, watchBodies } from "./arriving-bodies.js";
import { boundConnections, type ConnectionLimits } from "./connections.js";
import { EarlyResponse } from "./early-answers.js";
import { parseJson } from "./json-bodies.js";
import { boundOpenRequests } from "./open-requests.js";
import { jsonLine, knownErrorOf, problemHeaders, problemOf, sendProblem } from "./problem.js";
import { inRequestTurns } from "./request-turns.js";
import { answerClientError, TIME_LIMITS } from "./slow-requests.js";
import { serveUpgrades, type WebSocketHandler } from "./upgrades.js";

export { jsonLine, problemOf } from "./problem.js";

/** The TCP port of a server that listens. */
export function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the HTTP server has no port");
  return address.port;
}

/** Whether requests may be handled now, and when again. Rejects with a `MetrlyError` for those that have waited long enough. */
export interface Admission {
  isHeld(): boolean;
  held(): Promise<void>;
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
    /**
     * Checks a few times a second whether the credential of a request to this path is still good, while its body arrives. What
     * the check throws ends the request.
     */
    whileArriving(url: string, check: CredentialCheck): void;
    /** Opens WebSockets on this path. Call the result to open no more. */
    webSocket(path: string, handler: WebSocketHandler): () => void;
  }
}

/**
 * An HTTP server that answers every error with a problem document, and logs and masks bugs. Requests begin
 * in turns; then `throttle` judges them, on every path, and `admission`, on every path but health's.
 */
export function createHttpServer(
  logger: FastifyBaseLogger,
  throttle?: KeyThrottle,
  limits?: ConnectionLimits,
  admission?: Admission,
): FastifyInstance {
  const direct = new Map<string, DirectHandler>();
  const checks = new Map<string, CredentialCheck>();
  let stopWatching = () => {};
  const app = Fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: MAX_BODY_BYTES,
    forceCloseConnections: "idle",
    clientErrorHandler: answerClientError,
    // Of a URL that cannot be routed: Fastify's error handler does not see these.
    frameworkErrors: (error, _, reply) => void sendProblem(reply, toMetrlyError(error)),
    serverFactory(handler) {
      const handle: DirectHandler = (request, response) =>
        (direct.get(`${request.method} ${request.url}`) ?? handler)(request, response);
      const answer = admission === undefined ? handle : admitted(admission, handle);
      const server =
        throttle === undefined
          ? open(EarlyResponse, answer, createClientAddress([]))
          : throttled(throttle, logger, answer);
      const stops = [
        watchBodies(server, ({ url }) => checks.get(pathOf(url)), limits?.maxArrivingBytes),
        boundConnections(server, limits),
      ];
      stopWatching = () => {
        for (const stop of stops) stop();
      };
      return server;
    },
  });
  app.addHook("onClose", async () => stopWatching());
  app.decorate("whileArriving", (url, check) => {
    checks.set(url, check);
  });
  app.decorate("webSocket", serveUpgrades(app.server).webSocket);
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
  app.setReplySerializer(jsonLine);
  closeWhatIsIdle(app);
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const known = toMetrlyError(error);
    if (known.code === "INTERNAL") request.log.error({ err: error, url: request.url }, "request failed");
    return sendProblem(reply, known);
  });
  // Every route takes JSON; with Fastify's own text parser a body of another type would be a string.
  app.removeContentTypeParser(["application/json", "text/plain"]);
  app.addContentTypeParser("application/json", { parseAs: "string" }, parseJson(app));
  app.setNotFoundHandler((request, reply) => {
    const path = pathOf(request.url);
    const allowed = app.supportedMethods.filter((method) => app.findRoute({ method, url: path }) !== null);
    if (allowed.length === 0)
      return sendProblem(
        reply,
        new MetrlyError(
          "NOT_FOUND",
          `There is no ${request.method} ${path}${path === "/metrics" ? SEE_METRICS : seeDocs(app)}`,
        ),
      );
    reply.header("allow", allowed.join(", "));
    return sendProblem(
      reply,
      new MetrlyError("METHOD_NOT_ALLOWED", `This path takes ${allowed.join(", ")}, not ${request.method}`),
    );
  });
  return app;
}

const pathOf = (url = ""): string => url.split("?")[0] ?? "";

const OF_HEALTH: ReadonlySet<string> = new Set(["/healthz", "/readyz"]);

function admitted(admission: Admission, handle: DirectHandler): DirectHandler {
  async function whenHeld(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      await admission.held();
    } catch (error) {
      if (error instanceof MetrlyError) return refuse(response, error);
      throw error;
    }
    if (!response.destroyed) handle(request, response);
  }
  return (request, response) => {
    if (admission.isHeld() || OF_HEALTH.has(pathOf(request.url))) handle(request, response);
    else void whenHeld(request, response);
  };
}

function throttled(throttle: KeyThrottle, logger: FastifyBaseLogger, answer: DirectHandler): Server {
  function judge(request: IncomingMessage, response: ServerResponse): void {
    const judging = throttle.refusal(request, request.headers.authorization);
    if (judging === undefined) {
      answer(request, response);
      return;
    }
    judging.then(
      (refusal) => {
        // Its client left meanwhile.
        if (request.destroyed) return;
        if (refusal === undefined) answer(request, response);
        else refuse(response, refusal);
      },
      (error: unknown) => {
        logger.error({ err: error }, "a credential cannot be judged");
        refuse(response, new MetrlyError("INTERNAL", "Internal error"));
      },
    );
  }
  return open(throttledResponse(throttle, EarlyResponse), judge, throttle.addressOf);
}

function refuse(response: ServerResponse, refusal: MetrlyError): void {
  const body = Buffer.from(jsonLine(problemOf(refusal)));
  response.writeHead(refusal.status, { ...problemHeaders(refusal), "content-length": body.length }).end(body);
}

function open(
  Response: typeof ServerResponse<IncomingMessage>,
  answer: DirectHandler,
  addressOf: (request: IncomingMessage) => string,
): Server {
  const handle = boundOpenRequests(inRequestTurns(answer, { addressOf }));
  const server = createServer({ ...TIME_LIMITS, ServerResponse: Response }, handle);
  // With an `Expect` that is not understood, which node:http would answer 417: a request like others, for every listener.
  server.on("checkExpectation", (request, response) => server.emit("request", request, response));
  // A client may end its side of the connection when its request is complete, and gets its answer all the same.
  return Object.assign(server, { httpAllowHalfOpen: true });
}

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

const MAX_BODY_BYTES = 1_048_576;
const BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: "MALFORMED",
  404: "NOT_FOUND",
  405: "METHOD_NOT_ALLOWED",
  413: "TOO_LARGE",
  415: "UNSUPPORTED_MEDIA_TYPE",
};

const SEE_METRICS = " here: metrics have a port of their own, METRLY_METRICS_PORT (9464 unless set)";

/** Only the gateway has them. */
const seeDocs = (app: FastifyInstance): string =>
  app.hasRoute({ method: "GET", url: "/docs" }) ? ". What there is: /docs" : "";

/** Converts any exception of a handler to an error that clients may see. */
export function toMetrlyError(error: FastifyError): MetrlyError {
  if (error instanceof MetrlyError) return error;
  const code = BY_STATUS[error.statusCode ?? 500];
  if (code === undefined) return knownErrorOf(error);
  return new MetrlyError(code, DETAILS[code] ?? error.message);
}

/** Where Fastify's own texts do not say what to do. */
const DETAILS: Partial<Readonly<Record<ErrorCode, string>>> = {
  TOO_LARGE: `A body has at most ${MAX_BODY_BYTES} bytes`,
  UNSUPPORTED_MEDIA_TYPE: "Send the body with `Content-Type: application/json`",
};
