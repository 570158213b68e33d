import { Type } from "@sinclair/typebox";
import { ERROR_CODES, type ErrorCode } from "#kernel/errors.js";
import { enumOf } from "./parts.js";

/** The closed list of codes. */
export const CODES: readonly ErrorCode[] = Object.keys(ERROR_CODES) as ErrorCode[];

/** RFC 9457, with a code of the closed list. */
export const Problem = Type.Object(
  {
    type: Type.String({ description: "`urn:metrly:error:` and the code" }),
    title: Type.String({ description: "The meaning of the code" }),
    status: Type.Integer({ minimum: 400, maximum: 599 }),
    detail: Type.String({ description: "What is wrong with this request; for people, and may change" }),
    code: enumOf(CODES, "What programs decide by: the meaning of a code never changes"),
  },
  { description: "An error (RFC 9457)", additionalProperties: true },
);

/** What every request of the data plane may meet, before what it asks for is looked at. */
const OF_EVERY_REQUEST = [
  "MALFORMED",
  "INVALID",
  "SUBJECT_REQUIRED",
  "UNAUTHENTICATED",
  "FORBIDDEN",
  "REQUEST_TIMEOUT",
  "TOO_LARGE",
  "TOO_MANY_ATTEMPTS",
  "INTERNAL",
  "BUSY",
  "UNAVAILABLE",
] as const satisfies readonly ErrorCode[];

const RETRY_AFTER = {
  "Retry-After": { description: "Seconds to wait before the next try", schema: { type: "integer", minimum: 1 } },
} as const;

export interface Response {
  readonly description: string;
  readonly headers?: Readonly<Record<string, object>>;
  readonly content?: Readonly<Record<string, object>>;
}

/**
 * The problem documents of an operation by status: those of every request and `codes`. `extra`: the members of some of them
 * besides RFC 9457's, by status.
 */
export function problems(
  codes: readonly ErrorCode[],
  extra: Readonly<Record<number, object>> = {},
): Readonly<Record<string, Response>> {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of new Set([...OF_EVERY_REQUEST, ...codes])) {
    const { status } = ERROR_CODES[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const sorted = [...byStatus].sort(([a], [b]) => a - b);
  return Object.fromEntries(sorted.map(([status, own]) => [status, problem(status, own, extra[status])]));
}

function problem(status: number, codes: readonly ErrorCode[], extra: object | undefined): Response {
  const schema = {
    allOf: [
      { $ref: "#/components/schemas/Problem" },
      { properties: { status: { const: status }, code: { enum: codes } } },
      ...(extra === undefined ? [] : [extra]),
    ],
  };
  return {
    description: codes.map((code) => `- \`${code}\`: ${ERROR_CODES[code].meaning}`).join("\n"),
    ...((status === 429 || status === 503) && { headers: RETRY_AFTER }),
    content: { "application/problem+json": { schema, example: exampleOf(codes) } },
  };
}

function exampleOf([code = "INTERNAL"]: readonly ErrorCode[]): object {
  const { status, meaning } = ERROR_CODES[code];
  return { type: `urn:metrly:error:${code}`, title: meaning, status, detail: meaning, code };
}
