import type { FastifyReply } from "fastify";
import { isOutOfTime, isUnreachable } from "#kernel/database-time.js";
import { ERROR_CODES, type ErrorCode, MetrlyError } from "#kernel/errors.js";

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

/** The error that clients see: every one that is not a `MetrlyError` is a bug, masked as INTERNAL. */
export function knownErrorOf(error: unknown): MetrlyError {
  if (error instanceof MetrlyError) return error;
  return isOutOfTime(error) || isUnreachable(error)
    ? new MetrlyError("UNAVAILABLE", "The database did not answer in time; try again")
    : new MetrlyError("INTERNAL", "Internal error");
}

const RETRY_AFTER_SECONDS = 1;

const LATER: ReadonlySet<ErrorCode> = new Set(["TENANT_OVER_SHARE", "TOO_MANY_ATTEMPTS", "RATE_LIMITED"]);

/** Headers of a problem document. `retryAfterSeconds` and `acceptEncoding` (RFC 9110, 15.5.16) come from the error. */
export function problemHeaders(error: MetrlyError): Readonly<Record<string, string>> {
  const mayComeAgain = error.status === 503 || LATER.has(error.code);
  const { retryAfterSeconds = RETRY_AFTER_SECONDS, acceptEncoding } = error.extensions;
  return {
    "content-type": "application/problem+json",
    ...(mayComeAgain && { "retry-after": String(retryAfterSeconds) }),
    ...(error.status === 401 && { "www-authenticate": "Bearer" }),
    ...(typeof acceptEncoding === "string" && { "accept-encoding": acceptEncoding }),
  };
}

/** A body of JSON. It ends its line, because many read it at a terminal. */
export const jsonLine = (value: unknown): string => `${JSON.stringify(value)}\n`;

export function sendProblem(reply: FastifyReply, error: MetrlyError): FastifyReply {
  return (
    reply
      .code(error.status)
      .headers(problemHeaders(error))
      // A Buffer: to a string Fastify would add a charset, which this media type does not have, and which breaks strict
      // clients.
      .send(Buffer.from(jsonLine(problemOf(error))))
  );
}
