interface ErrorMeaning {
  readonly status: number;
  readonly meaning: string;
  /** What the caller does about it. */
  readonly action: string;
}

/** The closed list of error codes; `docs/errors.md` is checked against it. */
export const ERROR_CODES = {
  MALFORMED: {
    status: 400,
    meaning: "The body does not match its content type or the contract",
    action: "Correct the body or its content type",
  },
  INVALID: {
    status: 400,
    meaning: "A value has the wrong type, is out of range or contradicts another; `detail` names its path",
    action: "Correct the value",
  },
  NUMBER_NOT_EXACT: {
    status: 400,
    meaning: "A JSON number would lose digits",
    action: "Put the number in quotes",
  },
  TIME_OUT_OF_RANGE: {
    status: 400,
    meaning: "`time` is more than 35 days old or more than 5 minutes ahead",
    action: "Set the sender's clock; send older usage with `?import=true`",
  },
  BEFORE_FIRST_PERIOD: {
    status: 400,
    meaning: "`time` is before the tenant's first billing period",
    action: "Correct `time`, or leave the event out: usage before the first period is never billed",
  },
  SUBJECT_MISMATCH: {
    status: 400,
    meaning: "`subject` names a tenant other than the key's",
    action: "Leave `subject` out, or use that tenant's key",
  },
  SUBJECT_REQUIRED: {
    status: 400,
    meaning: "A platform key must name the tenant in `subject` or `tenantId`",
    action: "Name the tenant",
  },
  RESERVED_TYPE: {
    status: 400,
    meaning: "Event types that start with `metrly.` are reserved",
    action: "Choose another type",
  },
  UNAUTHENTICATED: {
    status: 401,
    meaning: "The key or token is missing, unknown, expired or revoked",
    action: "Use another key or token",
  },
  FORBIDDEN: {
    status: 403,
    meaning: "The key's scopes or the user's role do not allow this",
    action: "Use a key with the scope, or ask an administrator for the role",
  },
  TENANT_SUSPENDED: {
    status: 403,
    meaning: "The tenant is suspended",
    action: "Stop the tenant's work until an administrator resumes it",
  },
  TENANT_CLOSED: {
    status: 403,
    meaning: "The tenant is closed",
    action: "Stop the tenant's work; it stays closed",
  },
  NOT_FOUND: {
    status: 404,
    meaning: "The object does not exist, or belongs to another tenant",
    action: "Correct the id or the path. An event that was just sent: ask again in a second",
  },
  METHOD_NOT_ALLOWED: {
    status: 405,
    meaning: "The path exists, but not for this method",
    action: "Use a method that the header `Allow` names",
  },
  REQUEST_TIMEOUT: {
    status: 408,
    meaning: "The request did not arrive in time",
    action: "Send the same again; on a slow line in smaller parts",
  },
  CONFLICT: {
    status: 409,
    meaning: "The id is taken, or the current state does not allow this",
    action: "Take another id, or read the current state before the next change",
  },
  TOO_LARGE: {
    status: 413,
    meaning: "A size limit is exceeded; `detail` names it",
    action: "Send less at once; shorten an event that is too large",
  },
  UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    meaning: "The content type or encoding is not supported",
    action: "Correct `Content-Type` or `Content-Encoding`",
  },
  QUOTA_EXCEEDED: {
    status: 429,
    meaning: "A hard limit denies this request",
    action: "Do not do the work. Ask again after `Retry-After`; without one, waiting does not help",
  },
  TENANT_OVER_SHARE: {
    status: 429,
    meaning: "The tenant exceeds its share of a busy queue",
    action: "Send the same again after `Retry-After`",
  },
  RATE_LIMITED: {
    status: 429,
    meaning: "The tenant exceeds a rate limit",
    action: "Send the same again after `Retry-After`",
  },
  TOO_MANY_ATTEMPTS: {
    status: 429,
    meaning: "Too many wrong API keys or tokens from this address",
    action: "Correct the key or token; ask again after `Retry-After`",
  },
  TOO_MANY_KEYS: {
    status: 429,
    meaning: "The tenant has reached its limit of live idempotency keys",
    action: "Ask again when reservations have been settled, released or expired; a shorter `ttlSeconds` helps",
  },
  TOO_COMPLEX: {
    status: 400,
    meaning: "The GraphQL operation exceeds a limit on its text, cost or time (docs/limits.md)",
    action: "Ask for fewer fields, smaller pages or a shorter time",
  },
  GRAPHQL_PARSE_FAILED: {
    status: 400,
    meaning: "The GraphQL document cannot be parsed",
    action: "Correct the operation",
  },
  GRAPHQL_VALIDATION_FAILED: {
    status: 400,
    meaning: "The GraphQL document does not match the schema",
    action: "Correct the field or argument that `message` names",
  },
  BUSY: {
    status: 503,
    meaning: "A bounded queue is full",
    action: "Send the same again after `Retry-After`",
  },
  LOG_UNAVAILABLE: {
    status: 503,
    meaning: "The event log does not respond",
    action: "Send the same again after `Retry-After`",
  },
  SUBGRAPH_UNAVAILABLE: {
    status: 503,
    meaning: "A service behind the graph does not respond",
    action: "Ask again after a second; before repeating a mutation, look whether it took effect",
  },
  UNAVAILABLE: {
    status: 503,
    meaning: "The process is not ready, or its copy of tenancy data is stale",
    action: "Send the same again after `Retry-After`",
  },
  INTERNAL: {
    status: 500,
    meaning: "An internal error; only the log has details",
    action: "Send usage and quota requests again a few times, and tell the operator",
  },
} as const satisfies Readonly<Record<string, ErrorMeaning>>;

export type ErrorCode = keyof typeof ERROR_CODES;

export const isErrorCode = (value: unknown): value is ErrorCode =>
  typeof value === "string" && Object.hasOwn(ERROR_CODES, value);

/** An error that clients may see: every other error is a bug and is masked as INTERNAL. */
export class MetrlyError extends Error {
  override readonly name: string = "MetrlyError";
  readonly code: ErrorCode;
  /** Additional members of the problem document, e.g. `errors` with a path each. */
  readonly extensions: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, detail: string, extensions: Readonly<Record<string, unknown>> = {}) {
    super(detail);
    this.code = code;
    this.extensions = extensions;
  }

  get status(): number {
    return ERROR_CODES[this.code].status;
  }
}

/** What a client named does not exist. Another tenant's gets the same error: callers cannot distinguish them. */
export const noSuch = (thing: string, id: string): MetrlyError =>
  new MetrlyError("NOT_FOUND", `There is no ${thing} ${JSON.stringify(id.slice(0, 64))}`);

/** The message of whatever was thrown. */
export const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));

/** Whether an error of Node, PostgreSQL or a library carries one of these codes. */
export const hasCode = (error: unknown, ...codes: readonly string[]): boolean =>
  error instanceof Error && "code" in error && codes.some((code) => code === error.code);
