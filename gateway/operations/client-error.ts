import { GraphQLError, Kind } from "graphql";
import { timeLimitRefusal } from "#kernel/database-time.js";
import { ERROR_CODES, type ErrorCode, isErrorCode, MetrlyError } from "#kernel/errors.js";

/** Codes of Apollo Server and graphql-js, mapped to the closed list. */
const FROM_APOLLO: Readonly<Record<string, ErrorCode>> = {
  BAD_REQUEST: "MALFORMED",
  BAD_USER_INPUT: "INVALID",
  OPERATION_RESOLUTION_FAILURE: "INVALID",
  PERSISTED_QUERY_NOT_FOUND: "INVALID",
  PERSISTED_QUERY_NOT_SUPPORTED: "INVALID",
};

export const graphqlErrorOf = ({ message, extensions, code }: MetrlyError): GraphQLError =>
  withoutStack(() => new GraphQLError(message, { extensions: { ...extensions, code } }));

/** Of an error that only its message and code are read of: its stack would cost several times the rest of a refusal. */
function withoutStack(make: () => GraphQLError): GraphQLError {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return make();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/**
 * Converts any thrown value to the error that clients see, on HTTP and WebSocket: always with a code of the closed list,
 * never with a stack. A bug's message is only logged, by `onBug`.
 */
export function toClientError(thrown: unknown, onBug: (error: unknown) => void): GraphQLError {
  if (thrown instanceof MetrlyError) return graphqlErrorOf(thrown);
  if (!(thrown instanceof GraphQLError)) return masked(thrown, undefined, onBug);
  // In this process a service's error arrives as it was thrown.
  const cause = timeLimitRefusal(thrown.originalError) ?? thrown.originalError;
  if (cause instanceof MetrlyError) return rebuilt(thrown, cause.message, { ...cause.extensions, code: cause.code });
  if (cause instanceof AggregateError) return ofAggregate(thrown, cause, onBug);
  if (isTokenLimit(thrown)) return rebuilt(thrown, thrown.message, { code: "TOO_COMPLEX" });
  const { http: _, stacktrace: __, ...extensions } = thrown.extensions;
  const code = isRefusedMethod(thrown) ? "METHOD_NOT_ALLOWED" : codeOf(thrown);
  return code === undefined
    ? masked(cause ?? thrown, thrown, onBug)
    : rebuilt(thrown, thrown.message, { ...extensions, code });
}

function codeOf(error: GraphQLError): ErrorCode | undefined {
  const { code } = error.extensions;
  if (isErrorCode(code)) return code;
  return FROM_APOLLO[String(code)] ?? (isVariableError(error) ? "INVALID" : undefined);
}

/** Several errors without a path arrive as an aggregate: the first represents them. */
function ofAggregate(located: GraphQLError, bundle: AggregateError, onBug: (error: unknown) => void): GraphQLError {
  const first: unknown = bundle.errors[0];
  const clean = toClientError(first, onBug);
  return rebuilt(located, clean.message, clean.extensions);
}

function masked(bug: unknown, located: GraphQLError | undefined, onBug: (error: unknown) => void): GraphQLError {
  onBug(bug);
  return rebuilt(located, "Internal error", { code: "INTERNAL" });
}

/** Apollo answers a mutation by GET with BAD_REQUEST; only the status differs. */
const isRefusedMethod = ({ extensions: { http } }: GraphQLError): boolean =>
  typeof http === "object" && http !== null && "status" in http && http.status === 405;

/** graphql-js' parser reports too many tokens only in the message. */
const isTokenLimit = (error: GraphQLError): boolean =>
  /^Syntax Error: Document contains more tha[nt] \d+ tokens/.test(error.message);

/** graphql-js has no code for a variable of the wrong type. */
const isVariableError = (error: GraphQLError): boolean =>
  error.path === undefined && error.nodes?.length === 1 && error.nodes[0]?.kind === Kind.VARIABLE_DEFINITION;

function rebuilt(
  error: GraphQLError | undefined,
  message: string,
  extensions: Readonly<Record<string, unknown>>,
): GraphQLError {
  return withoutStack(
    () =>
      new GraphQLError(message, {
        nodes: error?.nodes ?? null,
        source: error?.source ?? null,
        positions: error?.positions ?? null,
        path: error?.path ?? null,
        extensions: { ...extensions },
      }),
  );
}

/** The HTTP status of a response with these errors and no data: the first error's. */
export function statusOfErrors(errors: readonly { readonly extensions?: Readonly<Record<string, unknown>> }[]): number {
  const code = errors[0]?.extensions?.code;
  return isErrorCode(code) ? ERROR_CODES[code].status : 500;
}
