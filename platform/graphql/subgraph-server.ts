import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { FastifyInstance, FastifyRequest } from "fastify";
import {
  type ExecutionArgs,
  type ExecutionResult,
  GraphQLError,
  type GraphQLFormattedError,
  Kind,
  OperationTypeNode,
} from "graphql";
import type { ServerOptions, SubscribePayload } from "graphql-ws";
import type { Extra } from "graphql-ws/use/ws";
import type { Logger } from "pino";
import { isErrorCode, MetrlyError } from "#kernel/errors.js";
import type { IdentityTokens } from "#platform/auth/identity.js";
import { IDENTITY_HEADER } from "#platform/auth/internal-api.js";
import { disconnectedSignal } from "#platform/http/disconnected.js";
import type { Identity } from "#schema/policy.js";
import { answerTooLarge, MAX_ANSWER_BYTES } from "./answer-size.js";
import { createGraphqlDocuments, type GraphqlDocuments, operationOf } from "./documents.js";
import { createGraphqlExecution, type GraphqlExecution } from "./execution.js";
import { serveGraphqlSocket } from "./sockets/socket.js";
import { maskError, type Subgraph, type SubgraphContext } from "./subgraph.js";

export const SUBGRAPH_PATH = "/graphql";
/** The gateway requests all entities of a step at once. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;
const MAX_MESSAGE_BYTES = 1024 * 1024;
/** One socket carries every subscription of a gateway process. */
const MAX_OPERATIONS_PER_SOCKET = 10_000;

export interface SubgraphServerOptions {
  readonly subgraph: Subgraph;
  readonly identityTokens: IdentityTokens;
  readonly logger: Logger;
  /** Called for each bug, which the gateway sees masked. */
  readonly onBug: (error: unknown) => void;
  /** Before each operation on a socket, which the HTTP server's own admission does not see; undefined: always. */
  readonly admission?: { held(): Promise<void> } | undefined;
}

/**
 * Serves a service's subgraph to the gateway: `POST /graphql` and WebSocket `/graphql` (graphql-transport-ws). The caller is a
 * signed token per operation, for this subgraph and a short time: the header `x-metrly-identity`, or on the socket, which
 * callers share, the operation's `extensions.identity`. Call `stop` before the service's own: a source that ends while its
 * socket is open looks to the gateway like a completed subscription.
 */
export function registerSubgraphServer(
  app: FastifyInstance,
  options: SubgraphServerOptions,
): { stop(): Promise<void> } {
  const { schema } = options.subgraph;
  const operations: Operations = {
    ...options,
    documents: createGraphqlDocuments(schema),
    execute: createGraphqlExecution(schema),
  };
  app.register(async (scope) => routes(scope, operations));
  const socket = serveGraphqlSocket({
    path: SUBGRAPH_PATH,
    maxMessageBytes: MAX_MESSAGE_BYTES,
    protocol: socketProtocol(operations),
    logger: options.logger,
  });
  const closeDoor = app.webSocket(SUBGRAPH_PATH, socket.handleUpgrade);
  return {
    async stop() {
      closeDoor();
      await socket.stop();
    },
  };
}

interface Operations extends SubgraphServerOptions {
  readonly documents: GraphqlDocuments;
  readonly execute: GraphqlExecution;
}

const Request = Type.Object({
  query: Type.String(),
  operationName: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  variables: Type.Optional(Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()])),
});

function routes(app: FastifyInstance, operations: Operations): void {
  const identities = new WeakMap<FastifyRequest, Identity>();
  app.post(SUBGRAPH_PATH, {
    bodyLimit: MAX_BODY_BYTES,
    // Before the body is read: unauthenticated requests are never parsed.
    async onRequest(request) {
      identities.set(request, await verify(operations, request.headers[IDENTITY_HEADER]));
    },
    async handler(request, reply) {
      const identity = identities.get(request);
      if (identity === undefined || !Value.Check(Request, request.body))
        throw new MetrlyError(
          "MALFORMED",
          "A GraphQL request must be an object with query, variables and operationName",
        );
      const args = prepare(operations, request.body, identity);
      const { operation } = operationOf(args.document, args.operationName);
      if (operation === OperationTypeNode.SUBSCRIPTION)
        throw new MetrlyError("INVALID", "Subscriptions need the WebSocket");
      // A mutation runs to its end. A gateway that ends the connection waits for nothing on it.
      const isQuery = operation === OperationTypeNode.QUERY;
      const signal = isQuery ? disconnectedSignal(request.raw, reply.raw, { halfCloses: false }) : undefined;
      const { data, errors, extensions } = await operations.execute({
        document: args.document,
        operationName: args.operationName,
        variables: args.variableValues ?? {},
        context: { ...args.contextValue, signal },
      });
      const body: ExecutionResult | object = {
        data,
        ...(errors !== undefined && { errors: clean(errors, operations) }),
        ...(extensions !== undefined && { extensions }),
      };
      const text = JSON.stringify(body);
      const isTooLarge = text.length > MAX_ANSWER_BYTES;
      const sent = isTooLarge ? JSON.stringify({ errors: [graphqlErrorOf(answerTooLarge(), operations.onBug)] }) : text;
      return reply.type("application/json; charset=utf-8").send(sent);
    },
  });
}

function verify({ identityTokens, subgraph }: Operations, token: unknown): Promise<Identity> {
  return identityTokens.verify(typeof token === "string" ? token : undefined, subgraph.name);
}

type GraphqlRequest = Pick<SubscribePayload, "query" | "operationName" | "variables">;
type Prepared = ExecutionArgs & { readonly contextValue: SubgraphContext };

/** One context per operation: services batch an operation's lookups by it. */
function prepare(operations: Operations, request: GraphqlRequest, identity: Identity): Prepared {
  return {
    schema: operations.subgraph.schema,
    document: operations.documents.get(request.query, identity),
    operationName: request.operationName ?? null,
    variableValues: request.variables ?? null,
    contextValue: { identity },
  };
}

function socketProtocol(operations: Operations): ServerOptions<Record<string, unknown>, Extra> {
  return {
    async onSubscribe({ subscriptions }, _, payload) {
      try {
        if (Object.keys(subscriptions).length > MAX_OPERATIONS_PER_SOCKET)
          throw new MetrlyError("TOO_COMPLEX", `At most ${MAX_OPERATIONS_PER_SOCKET} operations run on one socket`);
        await operations.admission?.held();
        const args = prepare(operations, payload, await verify(operations, payload.extensions?.identity));
        operationOf(args.document, args.operationName);
        return args;
      } catch (error) {
        return [graphqlErrorOf(error, operations.onBug)];
      }
    },
    onNext(_, __, ___, ____, { data, errors }) {
      if (errors === undefined) return undefined;
      return { ...(data !== undefined && { data }), errors: clean(errors, operations) };
    },
    onError: (_, __, ___, errors) => errors.map((error) => ended(error, operations.onBug)),
  };
}

/** The end of an operation: it was refused, or its source failed, in which case the reader may resume. */
function ended(error: GraphQLError, onBug: (error: unknown) => void): GraphQLFormattedError {
  const cause = error.originalError;
  if (cause === undefined || cause === null || cause instanceof MetrlyError) return coded(maskError(error, onBug));
  onBug(cause);
  return graphqlErrorOf(
    new MetrlyError("SUBGRAPH_UNAVAILABLE", "The source of this subscription failed"),
    onBug,
  ).toJSON();
}

function graphqlErrorOf(error: unknown, onBug: (error: unknown) => void): GraphQLError {
  const originalError = error instanceof Error ? error : new Error(String(error));
  return maskError(new GraphQLError(originalError.message, { originalError }), onBug);
}

const clean = (errors: readonly GraphQLError[], { onBug }: Operations): GraphQLFormattedError[] =>
  errors.map((error) => coded(isAboutVariable(error) ? error : maskError(error, onBug)));

/** The gateway accepted a variable that is invalid here; GraphQL has no code for it, unless a scalar set one. */
const isAboutVariable = ({ path, nodes }: GraphQLError): boolean =>
  path === undefined && nodes?.[0]?.kind === Kind.VARIABLE_DEFINITION;

/** Always with a code. Without locations, which would refer to a document that no client wrote. */
function coded({ message, path, extensions }: GraphQLError): GraphQLFormattedError {
  const code = isErrorCode(extensions.code) ? extensions.code : "INVALID";
  return { message, ...(path !== undefined && { path }), extensions: { ...extensions, code } };
}
