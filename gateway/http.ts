import type { IncomingMessage } from "node:http";
import {
  ApolloServer,
  type ApolloServerOptionsWithGateway,
  type ApolloServerPlugin,
  type BaseContext,
  HeaderMap,
} from "@apollo/server";
import {
  ApolloServerPluginInlineTraceDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from "@apollo/server/plugin/disabled";
import { fastifyApolloHandler } from "@as-integrations/fastify";
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { type GraphQLError, type GraphQLFormattedError, OperationTypeNode } from "graphql";
import type { Logger } from "pino";
import { MetrlyError } from "#kernel/errors.js";
import { isJsonObject } from "#kernel/json.js";
import { callerOf } from "#platform/auth/identity.js";
import { disconnectedSignal } from "#platform/http/disconnected.js";
import { jsonLine, toMetrlyError } from "#platform/http/server.js";
import { createProcessorTurns } from "#platform/lifecycle/processor-turns.js";
import type { TenancyLease } from "#platform/tenancy-client/lease.js";
import { ANONYMOUS, type Authentication, type Session } from "./auth/authentication.js";
import type { Federation } from "./federation/federation.js";
import { graphqlErrorOf, statusOfErrors, toClientError } from "./operations/client-error.js";
import { assertLength, GRAPH_LIMITS } from "./operations/limits.js";
import type { GatewayContext, Operations } from "./operations/operation.js";
import type { PersistedOperations } from "./operations/persisted-operations.js";

const METHOD_NOT_ALLOWED = 405;
/** Parsing, measuring and a refusal of a short operation: four take their turn in one of the event loop, and one that is long. */
const OPERATION_BYTES = 3 << 10;
/** Connections are accepted in them. */
const RESTS = 4;

export interface GraphqlHttpOptions {
  readonly federation: Federation;
  readonly operations: Operations;
  readonly authentication: Authentication;
  /** Persisted operations; undefined: any operation. */
  readonly persisted?: PersistedOperations | undefined;
  readonly openIntrospection: boolean;
  /** Asked again when a body is complete: the process may have been frozen while it arrived. */
  readonly lease?: Pick<TenancyLease, "held"> | undefined;
  readonly logger: Logger;
  readonly onBug: (error: unknown) => void;
}

export interface GraphqlHttp {
  /** Mounts `POST /graphql` (and `GET`, for queries with a header that foreign pages cannot set, as `Authorization`). */
  register(app: FastifyInstance): void;
  stop(): Promise<void>;
}

export async function startGraphqlHttp(options: GraphqlHttpOptions): Promise<GraphqlHttp> {
  const apollo = apolloServer(options);
  await apollo.start();
  let stopping = false;
  return {
    register(app) {
      app.register(async (scope) => {
        scope.addHook("onRequest", async () => {
          if (stopping) throw new MetrlyError("UNAVAILABLE", "This process is stopping");
        });
        routes(scope, apollo, options);
      });
    },
    stop() {
      stopping = true;
      return apollo.stop();
    },
  };
}

function apolloServer({ federation, operations, logger, onBug }: GraphqlHttpOptions): ApolloServer<GatewayContext> {
  return new ApolloServer<GatewayContext>({
    gateway: asGateway(federation),
    logger,
    introspection: true,
    includeStacktraceInErrorResponses: false,
    stopOnTerminationSignals: false,
    csrfPrevention: { requestHeaders: UNFORGEABLE },
    persistedQueries: false,
    allowBatchedHttpRequests: false,
    parseOptions: { maxTokens: GRAPH_LIMITS.tokens },
    // `admission` validates, after it has measured, and keeps documents.
    dangerouslyDisableValidation: true,
    documentStore: null,
    formatError: (_, error) => toClientError(error, onBug).toJSON(),
    plugins: [
      ApolloServerPluginLandingPageDisabled(),
      ApolloServerPluginUsageReportingDisabled(),
      ApolloServerPluginInlineTraceDisabled(),
      admission(operations, onBug),
      honestStatus,
    ],
  });
}

/** A foreign page can't set these: one of them allows a query by GET. */
const UNFORGEABLE = ["authorization", "apollo-require-preflight", "x-apollo-operation-name"];

/** Apollo Server's interface for a replacement executor. */
function asGateway({ schema, execute }: Federation): ApolloServerOptionsWithGateway<GatewayContext>["gateway"] {
  return {
    onSchemaLoadOrUpdate(onSchema) {
      onSchema({ apiSchema: schema, coreSupergraphSdl: "" });
      return () => undefined;
    },
    async load() {
      return {
        executor: ({ document, request, context }) =>
          execute({
            schema,
            document,
            // The requested name: Apollo's own is empty when the document has no such operation.
            operationName: request.operationName ?? null,
            variableValues: request.variables ?? {},
            contextValue: context,
          }),
      };
    },
    stop: async () => undefined,
  };
}

function admission(operations: Operations, onBug: (error: unknown) => void): ApolloServerPlugin<GatewayContext> {
  return {
    async requestDidStart() {
      return {
        async didResolveSource(context) {
          const document = operations.kept(context.source);
          if (document !== undefined) Object.assign(context, { document });
        },
        /** Answers what is refused; null: it runs. */
        async responseForOperation({ source, document, operation, request, contextValue }) {
          const { operationName, variables } = request;
          const errors = refusals(onBug, () =>
            operations.admitted({ text: source, document, operationName, variables, context: contextValue }),
          );
          const found =
            errors.length === 0 && operation.operation === OperationTypeNode.SUBSCRIPTION ? [NEEDS_SOCKET] : errors;
          if (found.length === 0) return null;
          return {
            http: { headers: new HeaderMap() },
            body: { kind: "single", singleResult: { errors: found.map((error) => error.toJSON()) } },
          };
        },
      };
    },
  };
}

const NEEDS_SOCKET = graphqlErrorOf(
  new MetrlyError("INVALID", "Subscriptions need a WebSocket: graphql-transport-ws on /graphql"),
);

/** As clients see them. */
function refusals(
  onBug: (error: unknown) => void,
  admit: () => ReturnType<Operations["admitted"]>,
): readonly GraphQLError[] {
  try {
    const admitted = admit();
    return "schema" in admitted ? [] : admitted.map((error) => toClientError(error, onBug));
  } catch (error) {
    return [toClientError(error, onBug)];
  }
}

/** A response with data, also partial, has status 200; without data, its first error's status. */
const honestStatus: ApolloServerPlugin<BaseContext> = {
  async requestDidStart() {
    return {
      async willSendResponse({ request, response }) {
        if (response.body.kind !== "single" || response.http.status === METHOD_NOT_ALLOWED) return;
        const { data, errors } = response.body.singleResult;
        if (errors === undefined || errors.length === 0 || (data !== null && data !== undefined)) return;
        const isPlain = errors.every(isOfRequest) && wantsPlainJson(request.http?.headers.get("accept"));
        response.http.status = isPlain ? 200 : statusOfErrors(errors);
        for (const [name, value] of statusHeaders(response.http.status)) response.http.headers.set(name, value);
      },
    };
  },
};

/** Errors before execution: in the document, its validation, or its variables. */
const isOfRequest = ({ path, extensions }: GraphQLFormattedError): boolean =>
  path === undefined && OF_REQUEST.has(extensions?.code);
const OF_REQUEST: ReadonlySet<unknown> = new Set(["GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "INVALID"]);

/** GraphQL over HTTP: a client that only accepts `application/json` gets such errors with 200. */
const wantsPlainJson = (accept = ""): boolean =>
  /application\/json/i.test(accept) && !/\*\/\*|application\/(\*|graphql-response\+json)/i.test(accept);

const statusHeaders = (status: number): HeaderMap =>
  new HeaderMap(status === 401 ? [["www-authenticate", "Bearer"]] : status === 503 ? [["retry-after", "1"]] : []);

function routes(app: FastifyInstance, apollo: ApolloServer<GatewayContext>, options: GraphqlHttpOptions): void {
  const { authentication, persisted, openIntrospection, lease, onBug } = options;
  const sessions = new WeakMap<IncomingMessage, Session>();
  const turns = createProcessorTurns({ rests: RESTS, hasOthers: () => false });
  app.whileArriving("/graphql", (request) => sessions.get(request)?.assertValid());
  // One error shape on this path: failures before Apollo look like Apollo's.
  app.setErrorHandler((error: FastifyError, _, reply) => sendGraphqlError(reply, error, onBug));
  app.route({
    method: ["GET", "POST"],
    url: "/graphql",
    exposeHeadRoute: false,
    // Before the body is read: unauthenticated requests are never parsed.
    async onRequest(request, reply) {
      assertUsableUrl(request);
      if (isVisit(request)) return reply.redirect("./", 303);
      const { authorization } = request.headers;
      if (authorization === undefined && openIntrospection) return undefined;
      sessions.set(request.raw, await authentication.authenticate(authorization));
      return undefined;
    },
    async preHandler(request) {
      const { identity = ANONYMOUS } = sessions.get(request.raw) ?? {};
      await turns.take(callerOf(identity), OPERATION_BYTES + lengthOf(request.body));
      // The key may have been revoked since the request began.
      await lease?.held();
      await sessions.get(request.raw)?.assertValid();
      if (Array.isArray(request.body)) throw new MetrlyError("MALFORMED", ONE_AT_A_TIME);
      if (persisted !== undefined) putPersistedText(request, persisted);
      // Apollo parses it. That of a GET is shorter than a header may be.
      else if (isJsonObject(request.body) && typeof request.body.query === "string") assertLength(request.body.query);
    },
    handler: fastifyApolloHandler(apollo, {
      context: async (request, reply) => ({
        identity: sessions.get(request.raw)?.identity ?? ANONYMOUS,
        signal: disconnectedSignal(request.raw, reply.raw),
      }),
    }),
  });
  app.route({
    method: ["HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"],
    url: "/graphql",
    handler: async (_, reply) => {
      reply.header("allow", "GET, POST");
      throw new MetrlyError("METHOD_NOT_ALLOWED", "Send GraphQL operations by POST");
    },
  });
}

/** Of the text that Apollo parses. */
const lengthOf = (body: unknown): number =>
  isJsonObject(body) && typeof body.query === "string" ? body.query.length : 0;

/** A person who opens `/graphql` in a browser: there is no operation, and a page is wanted. The explorer is beside it. */
const isVisit = ({ method, url, headers }: FastifyRequest): boolean =>
  method === "GET" && !url.includes("?") && /\btext\/html\b/i.test(headers.accept ?? "");

const ONE_AT_A_TIME =
  "Send one operation per request: switch off the client's batching (Apollo Client: HttpLink instead of BatchHttpLink; urql and Relay: no batching exchange or middleware)";

/** Gives Apollo the text of the requested operation, after all checks. */
function putPersistedText(request: FastifyRequest, persisted: PersistedOperations): void {
  const asked = request.method === "GET" ? request.query : request.body;
  // Apollo refuses any other body.
  if (!isJsonObject(asked)) return;
  const { documentId, extensions, ...rest } = asked;
  const read = typeof extensions === "string" ? jsonOf(extensions) : extensions;
  const query = persisted.textOf({ ...rest, documentId, extensions: read });
  if (request.method !== "GET") {
    request.body = { ...rest, query };
    return;
  }
  // Apollo's integration parses the URL itself.
  const search = new URLSearchParams({ query });
  for (const name of ["operationName", "variables"]) {
    const value = rest[name];
    if (typeof value === "string") search.set(name, value);
  }
  request.raw.url = `/graphql?${search}`;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new MetrlyError("MALFORMED", "`extensions` is not JSON");
  }
}

/** Apollo's integration builds a URL from client input and would fail on a malformed one. */
function assertUsableUrl(request: FastifyRequest): void {
  if (!URL.canParse(request.url, `${request.protocol}://${request.hostname}/`))
    throw new MetrlyError("MALFORMED", "The request's URL or Host header is not well formed");
}

function sendGraphqlError(reply: FastifyReply, thrown: FastifyError, onBug: (error: unknown) => void): FastifyReply {
  const error = advised(thrown);
  if (error.code === "INTERNAL") onBug(thrown);
  for (const [name, value] of statusHeaders(error.status)) reply.header(name, value);
  return reply
    .code(error.status)
    .type("application/json; charset=utf-8")
    .send(jsonLine({ errors: [graphqlErrorOf(error).toJSON()] }));
}

/** Of a body that is no operation: fastify does not know what to send instead. */
const ADVICE: Readonly<Record<string, string>> = {
  FST_ERR_CTP_INVALID_JSON_BODY: 'The body is not JSON: send {"query": "{ viewer { id } }"}',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'The body is empty: send {"query": "{ viewer { id } }"}',
};

function advised(thrown: FastifyError): MetrlyError {
  const error = toMetrlyError(thrown);
  const advice = ADVICE[thrown.code];
  return advice === undefined ? error : new MetrlyError(error.code, advice);
}
