import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { ExecutionArgs, GraphQLError } from "graphql";
import { CloseCode, type ServerOptions } from "graphql-ws";
import type { Extra } from "graphql-ws/use/ws";
import type { Logger } from "pino";
import type { WebSocket } from "ws";
import { type ErrorCode, MetrlyError } from "#kernel/errors.js";
import { isJsonObject } from "#kernel/json.js";
import { createClientAddress } from "#platform/auth/client-address.js";
import { callerOf } from "#platform/auth/identity.js";
import type { KeyThrottle } from "#platform/auth/key-throttle.js";
import { MAX_ANSWER_BYTES } from "#platform/graphql/answer-size.js";
import { serveGraphqlSocket } from "#platform/graphql/sockets/socket.js";
import { every, sleep } from "#platform/lifecycle/time.js";
import type { TenancyLease } from "#platform/tenancy-client/lease.js";
import type { Authentication, Session } from "./auth/authentication.js";
import type { Federation } from "./federation/federation.js";
import { graphqlErrorOf, toClientError } from "./operations/client-error.js";
import { endingWithClient } from "./operations/left-clients.js";
import type { GatewayContext, Operations } from "./operations/operation.js";
import type { OperationRequest, PersistedOperations } from "./operations/persisted-operations.js";
import { resumableFields } from "./subgraphs/resumable.js";
import { boundSubscriptions } from "./subscriptions/held-subscriptions.js";
import { createSharedSubscriptions, isSharedOperation, type Outlet } from "./subscriptions/shared-subscriptions.js";

export const PATH = "/graphql";
const MAX_MESSAGE_BYTES = 256 * 1024;
const MAX_OPERATIONS_PER_SOCKET = 100;
const MAX_SOCKETS_PER_CREDENTIAL = 500;
const MAX_SOCKETS_PER_TENANT = 1_000;
/** Sockets before their `connection_init`: one more closes the oldest. */
const MAX_SOCKETS_UNKNOWN = 1_000;
/** Ids are kept as long as their operations. */
const MAX_ID_LENGTH = 256;
/** Revocation is checked when keys change; this interval bounds how long an expired key or token keeps its socket. */
const EXPIRY_CHECK_MS = 5_000;
/** RFC 6455 "try again later": clients reconnect. */
const TRY_AGAIN_LATER = 1013;

export interface GraphqlSocketOptions {
  readonly federation: Federation;
  readonly operations: Operations;
  /** The supergraph SDL: determines which subscriptions can be shared and resumed. */
  readonly sdl: string;
  /** Persisted operations; undefined: any operation. */
  readonly persisted?: PersistedOperations | undefined;
  readonly authentication: Authentication;
  readonly throttle?: KeyThrottle | undefined;
  /** Needed to authenticate and for each operation. */
  readonly lease?: Pick<TenancyLease, "held"> | undefined;
  /** Whether the sockets of all keys whose revocation was answered are closed: until then, no result is sent. */
  readonly knowsRevocations: () => boolean;
  readonly logger: Logger;
  readonly onBug: (error: unknown) => void;
}

/** GraphQL over graphql-transport-ws; `connectionParams.authorization` replaces the header of the upgrade request. */
export interface GraphqlSocket {
  /** Handles upgrades on `/graphql`; others are answered 404. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Closes every socket whose key or token is no longer valid. */
  recheck(): Promise<void>;
  stop(): Promise<void>;
}

type ConnectionParams = Readonly<Record<string, unknown>>;

export function startGraphqlSocket(options: GraphqlSocketOptions): GraphqlSocket {
  const sessions = new Map<WebSocket, Session>();
  const unknown = new Set<WebSocket>();
  const addressOf = options.throttle?.addressOf ?? createClientAddress([]);
  const server = serveGraphqlSocket<ConnectionParams>({
    path: PATH,
    maxMessageBytes: MAX_MESSAGE_BYTES,
    protocol: serverOptions(options, sessions, unknown),
    senderOf(socket, request) {
      const session = sessions.get(socket);
      return session === undefined
        ? { name: addressOf(request), isKnown: false }
        : { name: callerOf(session.identity), isKnown: true };
    },
    logger: options.logger,
    onOpened(socket) {
      const [oldest] = unknown.size >= MAX_SOCKETS_UNKNOWN ? unknown : [];
      if (oldest !== undefined) unknown.delete(oldest);
      oldest?.terminate();
      unknown.add(socket);
    },
    onClosed(socket) {
      unknown.delete(socket);
      sessions.delete(socket);
    },
  });
  async function recheck(): Promise<void> {
    await Promise.all([...sessions].map(([socket, session]) => isValid(socket, session, options.onBug)));
  }
  const timer = every(EXPIRY_CHECK_MS, () => void recheck(), { unref: true });
  return {
    handleUpgrade: server.handleUpgrade,
    recheck,
    async stop() {
      timer.cancel();
      await server.stop();
    },
  };
}

function serverOptions(
  options: GraphqlSocketOptions,
  sessions: Map<WebSocket, Session>,
  unknown: Set<WebSocket>,
): ServerOptions<ConnectionParams, Extra> {
  const { federation, operations, sdl, persisted, onBug } = options;
  const clean = (errors: readonly GraphQLError[]) => errors.map((error) => toClientError(error, onBug).toJSON());
  let known: Promise<void> | undefined;
  /** Undefined: now. One timer for all results that wait. */
  function sendable(): Promise<void> | undefined {
    if (options.knowsRevocations()) return undefined;
    known ??= untilTrue(options.knowsRevocations).finally(() => {
      known = undefined;
    });
    return known;
  }
  const shared = createSharedSubscriptions({
    fields: resumableFields(sdl),
    subscribe: federation.subscribe,
    sendable,
    encode: ({ data, errors, extensions }) =>
      Buffer.from(JSON.stringify({ data, ...(errors !== undefined && { errors: clean(errors) }), extensions })),
  });
  const subscribe = boundSubscriptions({
    subscribe: shared.subscribe,
    isKept: ({ document }) => operations.kept(document.loc?.source.body ?? "") === document,
  });
  return {
    execute: endingWithClient(federation.execute),
    subscribe,
    onOperation({ extra: { socket } }, id, _, __, result) {
      if (isSharedOperation(result)) result.attach(outletOf(socket, id));
    },
    async onConnect({ connectionParams, extra }) {
      const session = await sessionOf(options, extra, authorizationOf(connectionParams ?? {}, extra.request));
      if (session === undefined) return false;
      const { socket } = extra;
      unknown.delete(socket);
      if (socket.readyState === socket.OPEN) {
        const refusal = tooManySockets(sessions.values(), session);
        if (refusal !== undefined) {
          closeWith(socket, refusal);
          return false;
        }
        sessions.set(socket, session);
      }
      return true;
    },
    async onSubscribe({ extra: { socket }, subscriptions }, id, payload) {
      if (id.length > MAX_ID_LENGTH) return [idTooLong()];
      // Before anything is awaited: later operations must not count for this one.
      if (Object.keys(subscriptions).length > MAX_OPERATIONS_PER_SOCKET) return [tooManyOperations()];
      const refusal = await refusalOf(options);
      if (refusal !== undefined) return [refusal];
      const session = sessions.get(socket);
      if (session === undefined || !(await isValid(socket, session, onBug))) return [unauthenticated()];
      if (isUnread(socket)) {
        sendAway(socket);
        return [leftUnread()];
      }
      // One context per operation: batching of its subgraph calls is keyed by it.
      return prepare(operations, persisted, payload, { identity: session.identity }, onBug);
    },
    async onNext({ extra: { socket } }, __, ___, ____, { data, errors, extensions }) {
      await sendable();
      // A closing socket takes no more.
      if (isUnread(socket)) sendAway(socket);
      if (errors === undefined) return undefined;
      return {
        ...(data !== undefined && { data }),
        ...(extensions !== undefined && { extensions }),
        errors: clean(errors),
      };
    },
    onError: (_, __, ___, errors) => clean(errors),
  };
}

/** Unread bytes after which a slow client is disconnected; it resumes from its cursor. */
const MAX_UNREAD_BYTES = 1_048_576;
/** Backpressure: a client that catches up gets no more while this much is unread. */
const UNREAD_WHILE_CATCHING_UP = 65_536;
const CHECK_MS = 20;

/** Whether a client leaves its answers unread: at most this much and one more answer wait for it. */
const isUnread = (socket: WebSocket): boolean => socket.bufferedAmount > MAX_ANSWER_BYTES;

/** Sends `next` messages with payloads that are already encoded. */
function outletOf(socket: WebSocket, id: string): Outlet {
  const head = Buffer.from(`{"id":${JSON.stringify(id)},"type":"next","payload":`);
  const isSlow = () => socket.readyState === socket.OPEN && socket.bufferedAmount > UNREAD_WHILE_CATCHING_UP;
  return {
    send(payload) {
      if (socket.readyState !== socket.OPEN) return;
      if (socket.bufferedAmount > MAX_UNREAD_BYTES) return sendAway(socket);
      socket.send(Buffer.concat([head, payload, TAIL]), { binary: false });
    },
    ready: () => (isSlow() ? untilTrue(() => !isSlow()) : undefined),
  };
}

const TAIL = Buffer.from("}");

async function untilTrue(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(CHECK_MS, undefined, { unref: true });
}

const sendAway = (socket: WebSocket): void => socket.close(TRY_AGAIN_LATER, "Reads too slowly");

const unauthenticated = () => graphqlErrorOf(new MetrlyError("UNAUTHENTICATED", "The key or token is no longer valid"));
const leftUnread = () =>
  graphqlErrorOf(new MetrlyError("TOO_LARGE", `More than ${MAX_ANSWER_BYTES} bytes of answers are unread`));
const idTooLong = () =>
  graphqlErrorOf(new MetrlyError("INVALID", `The id of an operation has at most ${MAX_ID_LENGTH} characters`));
const tooManyOperations = () =>
  graphqlErrorOf(new MetrlyError("TOO_COMPLEX", `At most ${MAX_OPERATIONS_PER_SOCKET} operations run on one socket`));

/** Where clients put it: in the connection's parameters, their `headers`, or the upgrade request; the first one found counts. */
function authorizationOf(parameters: ConnectionParams, { headers }: IncomingMessage): string | undefined {
  const found = [parameters, parameters.headers].flatMap((place) =>
    Object.entries(isJsonObject(place) ? place : {}).filter(([name]) => name.toLowerCase() === "authorization"),
  );
  const value = found[0]?.[1];
  return found.length === 0 ? headers.authorization : typeof value === "string" ? value : undefined;
}

/** Undefined: refused, and the socket is closing with the reason. */
async function sessionOf(
  { authentication, throttle, lease }: GraphqlSocketOptions,
  { socket, request }: Extra,
  authorization: string | undefined,
): Promise<Session | undefined> {
  try {
    const refusal = await throttle?.refusal(request, authorization);
    if (refusal !== undefined) throw refusal;
    await lease?.held();
    return await authentication.authenticate(authorization);
  } catch (error) {
    if (!(error instanceof MetrlyError)) throw error;
    if (error.code === "UNAUTHENTICATED") throttle?.noteWrong(request, authorization);
    closeWith(socket, error);
    return undefined;
  }
}

/** While the process may not decide by its copy of tenancy. */
async function refusalOf({ lease, onBug }: GraphqlSocketOptions): Promise<GraphQLError | undefined> {
  try {
    await lease?.held();
    return undefined;
  } catch (error) {
    return error instanceof MetrlyError ? graphqlErrorOf(error) : toClientError(error, onBug);
  }
}

/** Closes the socket with the reason if its session is no longer valid. */
async function isValid(socket: WebSocket, session: Session, onBug: (error: unknown) => void): Promise<boolean> {
  try {
    await session.assertValid();
    return true;
  } catch (error) {
    if (!(error instanceof MetrlyError)) onBug(error);
    closeWith(socket, error instanceof MetrlyError ? error : new MetrlyError("INTERNAL", "Internal error"));
    return false;
  }
}

function closeWith(socket: WebSocket, error: MetrlyError): void {
  socket.close(PASSES.has(error.code) ? TRY_AGAIN_LATER : CloseCode.Unauthorized, error.code);
}

const PASSES: ReadonlySet<ErrorCode> = new Set(["UNAVAILABLE", "TOO_MANY_ATTEMPTS", "RATE_LIMITED"]);

/** Counted anew for each socket: opening one costs more. */
function tooManySockets(open: Iterable<Session>, { identity }: Session): MetrlyError | undefined {
  let [ofCredential, ofTenant] = [1, 1];
  for (const { identity: other } of open) {
    if (other.tenantId !== identity.tenantId) continue;
    if (other.tenantId !== null) ofTenant += 1;
    if (other.id === identity.id && other.kind === identity.kind) ofCredential += 1;
  }
  return ofCredential > MAX_SOCKETS_PER_CREDENTIAL || ofTenant > MAX_SOCKETS_PER_TENANT
    ? new MetrlyError("RATE_LIMITED", "Too many sockets are open")
    : undefined;
}

interface SubscribePayload extends OperationRequest {
  readonly query: string;
  readonly operationName?: string | null | undefined;
  readonly variables?: Readonly<Record<string, unknown>> | null | undefined;
}

/** The steps of HTTP. Returns the errors, or the operation. */
function prepare(
  operations: Operations,
  persisted: PersistedOperations | undefined,
  payload: SubscribePayload,
  context: GatewayContext,
  onBug: (error: unknown) => void,
): ExecutionArgs | readonly GraphQLError[] {
  const { operationName, variables } = payload;
  try {
    const text = persisted?.textOf(payload) ?? payload.query;
    return operations.admitted({ text, document: operations.parsed(text), operationName, variables, context });
  } catch (error) {
    return [toClientError(error, onBug)];
  }
}
