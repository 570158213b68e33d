interface ErrorMeaning {
  readonly status: number;
  readonly meaning: string;
}

/** The closed list of error codes; `docs/errors.md` is checked against it. */
export const ERROR_CODES = {
  MALFORMED: { status: 400, meaning: "The body does not match its content type or the contract" },
  INVALID: {
    status: 400,
    meaning: "A value has the wrong type, is out of range or contradicts another; `detail` names its path",
  },
  NUMBER_NOT_EXACT: { status: 400, meaning: "A JSON number would lose digits; send it as a string" },
  TIME_OUT_OF_RANGE: { status: 400, meaning: "`time` is more than 35 days old or more than 5 minutes ahead" },
  BEFORE_FIRST_PERIOD: { status: 400, meaning: "`time` is before the tenant's first billing period" },
  SUBJECT_MISMATCH: { status: 400, meaning: "`subject` names a tenant other than the key's" },
  SUBJECT_REQUIRED: { status: 400, meaning: "A platform key must name the tenant in `subject` or `tenantId`" },
  RESERVED_TYPE: { status: 400, meaning: "Event types that start with `metrly.` are reserved" },
  UNAUTHENTICATED: { status: 401, meaning: "The key or token is missing, unknown, expired or revoked" },
  FORBIDDEN: { status: 403, meaning: "The key's scopes or the user's role do not allow this" },
  TENANT_SUSPENDED: { status: 403, meaning: "The tenant is suspended" },
  TENANT_CLOSED: { status: 403, meaning: "The tenant is closed" },
  NOT_FOUND: { status: 404, meaning: "The object does not exist, or belongs to another tenant" },
  METHOD_NOT_ALLOWED: { status: 405, meaning: "The path exists, but not for this method" },
  REQUEST_TIMEOUT: { status: 408, meaning: "The request did not arrive in time" },
  CONFLICT: { status: 409, meaning: "The id is taken, or the current state does not allow this" },
  TOO_LARGE: { status: 413, meaning: "A size limit is exceeded; `detail` names it" },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, meaning: "The content type or encoding is not supported" },
  QUOTA_EXCEEDED: { status: 429, meaning: "A hard limit denies this request" },
  TENANT_OVER_SHARE: {
    status: 429,
    meaning: "The tenant exceeds its share of a busy queue; retry after `Retry-After`",
  },
  RATE_LIMITED: { status: 429, meaning: "The tenant exceeds a rate limit; retry after `Retry-After`" },
  TOO_MANY_ATTEMPTS: { status: 429, meaning: "Too many wrong API keys or tokens from this address" },
  TOO_MANY_KEYS: { status: 429, meaning: "The tenant has reached its limit of live idempotency keys" },
  TOO_COMPLEX: {
    status: 400,
    meaning: "The GraphQL operation exceeds a limit on its text, cost or time (docs/limits.md)",
  },
  GRAPHQL_PARSE_FAILED: { status: 400, meaning: "The GraphQL document cannot be parsed" },
  GRAPHQL_VALIDATION_FAILED: { status: 400, meaning: "The GraphQL document does not match the schema" },
  BUSY: { status: 503, meaning: "A bounded queue is full; retry after `Retry-After`" },
  LOG_UNAVAILABLE: { status: 503, meaning: "The event log does not respond; send the same again" },
  SUBGRAPH_UNAVAILABLE: { status: 503, meaning: "A service behind the graph does not respond" },
  UNAVAILABLE: { status: 503, meaning: "The process is not ready, or its copy of tenancy data is stale" },
  INTERNAL: { status: 500, meaning: "An internal error; only the log has details" },
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
