import type { ErrorCode } from "#kernel/errors.js";
import { DEFAULT_TTL_SECONDS, MAX_BATCH } from "./limits.js";
import { problems, type Response } from "./problem.js";

// The paths that decide about quotas.

const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });

const tags = ["Quotas"];

const headers = {
  RateLimit: {
    description:
      "What each limit leaves: `r` units, and `t` seconds until some come back (draft-ietf-httpapi-ratelimit-headers-10)",
    schema: { type: "string" },
    example: '"api_calls:HOUR";r=987;t=1800',
  },
  "RateLimit-Policy": {
    description: "Each limit: `q` units in a window of `w` seconds",
    schema: { type: "string" },
    example: '"api_calls:HOUR";q=1000;w=3600',
  },
};
const deniedHeaders = {
  ...headers,
  "Retry-After": {
    description: "Seconds until this request would be admitted if nobody else came; absent where waiting does not help",
    schema: { type: "integer", minimum: 1 },
  },
};

const LIMIT = {
  meter: "api_calls",
  window: "HOUR",
  kind: "HARD",
  limit: "1000",
  used: "12",
  reserved: "1",
  remaining: "987",
  resetAt: "2026-11-28T13:00:00.000Z",
};
const PLAN = { id: "starter", version: 1 };
const ALLOWED = { allowed: true, reason: "WITHIN_LIMITS", plan: PLAN, limits: [LIMIT] };
const RESERVED = {
  ...ALLOWED,
  reservationId: "acme:api_calls:req-7f3b",
  expiresAt: "2026-11-28T12:35:00.000Z",
};
const DENIED = {
  ...{ allowed: false, reason: "LIMIT_EXCEEDED", plan: PLAN },
  limits: [{ ...LIMIT, used: "1000", reserved: "0", remaining: "0" }],
};

const decision = (description: string, example: object, own: object = headers): Response => ({
  description,
  headers: { ...own },
  content: { "application/json": { schema: ref("Decision"), example } },
});

/** A status that is a decision or an error; the content type tells which. */
function also(denied: Response, problem: Response | undefined): Response {
  return {
    description: `${denied.description}; or, as \`application/problem+json\`:\n${problem?.description ?? ""}`,
    headers: { ...denied.headers },
    content: { ...denied.content, ...problem?.content },
  };
}

/** A call, and the tokens of a model behind it. */
const USAGE = [
  { meter: "api_calls", amount: "1" },
  { meter: "llm_tokens", amount: "600" },
];

const json = (schema: object, examples: object) => ({
  required: true,
  content: { "application/json": { schema, examples } },
});

const OF_ONE: readonly ErrorCode[] = ["NUMBER_NOT_EXACT", "SUBJECT_MISMATCH", "NOT_FOUND", "UNSUPPORTED_MEDIA_TYPE"];
const ofConsume = problems([...OF_ONE, "CONFLICT", "TOO_MANY_KEYS"]);

const KEYED = { type: "object", required: ["idempotencyKey"] };

export const QUOTA_PATHS = {
  "/v1/quota/check": {
    post: {
      operationId: "checkQuota",
      tags,
      summary: "Look whether a request would be allowed",
      description: "Reserves nothing. Needs the scope `QUOTA`, like every operation below.",
      requestBody: json(ref("QuotaRequest"), {
        ofMeter: { summary: "Five units of a meter", value: { meter: "api_calls", amount: "5" } },
        ofSeveral: { summary: "Several meters", value: { usage: USAGE } },
        ofRequests: { summary: "One request", value: {} },
      }),
      responses: { 200: decision("Allowed or denied", ALLOWED, deniedHeaders), ...problems(OF_ONE) },
    },
  },
  "/v1/quota/consume": {
    post: {
      operationId: "consumeQuota",
      tags,
      summary: "Reserve, if it is allowed",
      description: `The reservation is settled by the usage event whose \`id\` is the idempotency key, given back by \`release\`, or ends after \`ttlSeconds\` (${DEFAULT_TTL_SECONDS} by default). Of several meters (\`usage\`) each is settled by an event that it counts; \`release\` gives back the rest. The same request again gets the same decision.`,
      parameters: [
        {
          name: "denyStatus",
          in: "query",
          description: "The status of a denial, for proxies that do not know 429",
          schema: { type: "string", enum: ["403", "429"], default: "429" },
        },
      ],
      requestBody: json(
        { allOf: [ref("QuotaRequest"), KEYED] },
        {
          ofMeter: {
            summary: "One unit of a meter",
            value: { meter: "api_calls", amount: "1", idempotencyKey: "req-7f3b", ttlSeconds: 60 },
          },
          ofSeveral: {
            summary: "Several meters, all or nothing",
            value: { usage: USAGE, idempotencyKey: "req-7f3c", ttlSeconds: 60 },
          },
        },
      ),
      responses: {
        ...ofConsume,
        200: decision("Allowed", RESERVED),
        403: also(decision("Denied, with `denyStatus=403`", DENIED, deniedHeaders), ofConsume[403]),
        429: also(decision("Denied", DENIED, deniedHeaders), ofConsume[429]),
      },
    },
  },
  "/v1/quota/release": {
    post: {
      operationId: "releaseQuota",
      tags,
      summary: "Give a reservation back",
      description: "For work that was not done. Names the reservation by its idempotency key.",
      requestBody: json(
        { allOf: [ref("QuotaRequest"), KEYED] },
        { ofKey: { summary: "A reservation", value: { idempotencyKey: "req-7f3b" } } },
      ),
      responses: {
        200: {
          description: "Whether an open reservation was given back",
          content: { "application/json": { schema: ref("Released"), example: { released: true } } },
        },
        ...problems(OF_ONE),
      },
    },
  },
  "/v1/quota/batch": {
    post: {
      operationId: "decideBatch",
      tags,
      summary: "Several requests at once",
      description:
        "Each is decided by itself, those of one tenant in their order. An item's error is a problem document in its place and fails no other.",
      requestBody: json(
        { type: "array", items: ref("QuotaRequest"), maxItems: MAX_BATCH },
        {
          several: {
            summary: "A reservation, a look, a release",
            value: [
              { meter: "api_calls", idempotencyKey: "req-7f3c" },
              { operation: "check", meter: "api_calls", amount: "100" },
              { operation: "release", idempotencyKey: "req-7f3c" },
            ],
          },
        },
      ),
      responses: {
        200: {
          description: "One answer per request, in the order sent",
          content: {
            "application/json": {
              schema: { type: "array", items: { oneOf: [ref("Decision"), ref("Released"), ref("Problem")] } },
              example: [RESERVED, ALLOWED, { released: true }],
            },
          },
        },
        ...problems(["UNSUPPORTED_MEDIA_TYPE"]),
      },
    },
  },
  "/v1/quota/denial": {
    get: {
      operationId: "explainDenial",
      tags,
      summary: "Why a request was denied within the last hour",
      description: "Of `consume`. Best effort: under load only the newest denials are kept.",
      parameters: [
        {
          name: "idempotencyKey",
          in: "query",
          required: true,
          description: "Of the denied request",
          schema: { type: "string", minLength: 1 },
          example: "req-7f3b",
        },
        {
          name: "tenantId",
          in: "query",
          description: "Required with a platform key; a tenant's own key fixes it",
          schema: { type: "string", minLength: 1 },
        },
      ],
      responses: {
        200: {
          description: "The last denial under this key",
          content: { "application/json": { schema: ref("Denial") } },
        },
        ...problems(["SUBJECT_MISMATCH", "NOT_FOUND"]),
      },
    },
  },
} as const;
