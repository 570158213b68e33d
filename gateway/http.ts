import { ApolloServer, type ApolloServerPlugin, type BaseContext, HeaderMap } from "@apollo/server";
import {
  ApolloServerPluginInlineTraceDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from "@apollo/server/plugin/disabled";
import { fastifyApolloHandler } from "@as-integrations/fastify";
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { type GraphQLSchema, OperationTypeNode } from "graphql";
import type { Logger } from "pino";
import { MetrlyError } from "#kernel/errors.js";
import { toMetrlyError } from "#platform/http.js";
import type { Identity } from "#schema/policy.js";
import { ANONYMOUS, type Authentication } from "./authentication.js";
import { graphqlErrorOf, statusOfErrors, toClientError } from "./client-error.js";
import { GRAPH_LIMITS } from "./limits.js";
import { admitOperation, type GatewayContext } from "./operation.js";

const METHOD_NOT_ALLOWED = 405;

export interface GraphqlHttpOptions {
  readonly schema: GraphQLSchema;
  readonly authentication: Authentication;
  /** Whether the schema can be read without signing in. */
  readonly openIntrospection: boolean;
  readonly logger: Logger;
  readonly onBug: (error: unknown) => void;
}

export interface GraphqlHttp {
  /** Mounts `POST /graphql` (and `GET`, for queries that carry a header no foreign page can send). */
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

function apolloServer({ schema, logger, onBug }: GraphqlHttpOptions): ApolloServer<GatewayContext> {
  return new ApolloServer<GatewayContext>({
    schema,
    logger,
    introspection: true,
    includeStacktraceInErrorResponses: false,
    stopOnTerminationSignals: false,
    csrfPrevention: true,
    persistedQueries: false,
    allowBatchedHttpRequests: false,
    parseOptions: { maxTokens: GRAPH_LIMITS.tokens },
    formatError: (_, error) => toClientError(error, onBug).toJSON(),
    plugins: [
      ApolloServerPluginLandingPageDisabled(),
      ApolloServerPluginUsageReportingDisabled(),
      ApolloServerPluginInlineTraceDisabled(),
      admission(schema),
      honestStatus,
    ],
  });
}

function admission(schema: GraphQLSchema): ApolloServerPlugin<GatewayContext> {
  return {
    async requestDidStart() {
      return {
        async didResolveOperation({ document, operation, request, contextValue }) {
          // Apollo answers an operation name that is not in the document itself.
          if (operation === undefined) return;
          if (operation.operation === OperationTypeNode.SUBSCRIPTION)
            throw graphqlErrorOf(
              new MetrlyError("INVALID", "Subscriptions need a WebSocket: graphql-transport-ws on /graphql"),
            );
          asGraphqlError(() =>
            admitOperation(schema, { document, operation, variables: request.variables ?? {}, context: contextValue }),
          );
        },
      };
    },
  };
}

function asGraphqlError(check: () => void): void {
  try {
    check();
  } catch (error) {
    throw error instanceof MetrlyError ? graphqlErrorOf(error) : error;
  }
}

/** An answer that has data is 200, also a partial one; an answer without tells by its status why. */
const honestStatus: ApolloServerPlugin<BaseContext> = {
  async requestDidStart() {
    return {
      async willSendResponse({ response }) {
        if (response.body.kind !== "single" || response.http.status === METHOD_NOT_ALLOWED) return;
        const { data, errors } = response.body.singleResult;
        if (errors === undefined || errors.length === 0 || (data !== null && data !== undefined)) return;
        response.http.status = statusOfErrors(errors);
        for (const [name, value] of statusHeaders(response.http.status)) response.http.headers.set(name, value);
      },
    };
  },
};

const statusHeaders = (status: number): HeaderMap =>
  new HeaderMap(status === 401 ? [["www-authenticate", "Bearer"]] : status === 503 ? [["retry-after", "1"]] : []);

function routes(app: FastifyInstance, apollo: ApolloServer<GatewayContext>, options: GraphqlHttpOptions): void {
  const { authentication, openIntrospection, onBug } = options;
  const identities = new WeakMap<FastifyRequest, Identity>();
  // One shape of errors on this path: what fails before Apollo looks like what fails in it.
  app.setErrorHandler((error: FastifyError, _, reply) => sendGraphqlError(reply, error, onBug));
  app.route({
    method: ["GET", "POST"],
    url: "/graphql",
    exposeHeadRoute: false,
    // Before the body is read: who has shown nothing makes us parse nothing.
    async onRequest(request) {
      assertUsableUrl(request);
      const { authorization } = request.headers;
      if (authorization === undefined && openIntrospection) return;
      identities.set(request, (await authentication.authenticate(authorization)).identity);
    },
    handler: fastifyApolloHandler(apollo, {
      context: async (request) => ({ identity: identities.get(request) ?? ANONYMOUS }),
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

/** Apollo's integration builds a URL of what the client sent and would fail on nonsense. */
function assertUsableUrl(request: FastifyRequest): void {
  if (!URL.canParse(request.url, `${request.protocol}://${request.hostname}/`))
    throw new MetrlyError("MALFORMED", "The request's URL or Host header is not well formed");
}

function sendGraphqlError(reply: FastifyReply, thrown: FastifyError, onBug: (error: unknown) => void): FastifyReply {
  const error = toMetrlyError(thrown);
  if (error.code === "INTERNAL") onBug(thrown);
  for (const [name, value] of statusHeaders(error.status)) reply.header(name, value);
  return reply
    .code(error.status)
    .type("application/json; charset=utf-8")
    .send(JSON.stringify({ errors: [graphqlErrorOf(error).toJSON()] }));
}
