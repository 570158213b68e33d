import type { ErrorCode } from "#kernel/errors.js";
import { MAX_ATTRIBUTE_BYTES, MAX_BODY_BYTES, MAX_EVENTS } from "./limits.js";
import { problems } from "./problem.js";

// The paths that take usage events.

const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });

const EVENT = {
  specversion: "1.0",
  id: "req-7f3a",
  source: "api-gateway",
  type: "api.request",
  data: { region: "eu" },
};
const COMPLETION = {
  specversion: "1.0",
  id: "completion-19",
  source: "api-gateway",
  type: "llm.completion",
  data: { tokens: "1250", model: "small" },
};

const one = { summary: "One event", value: EVENT };
const several = { summary: "Several events", value: [EVENT, COMPLETION] };
const batch = { type: "array", items: ref("UsageEvent"), minItems: 1, maxItems: MAX_EVENTS };

const requestBody = {
  required: true,
  description: [
    `At most ${MAX_BODY_BYTES} bytes, also after inflation. The content type decides the mode (CloudEvents HTTP binding):`,
    "- `application/cloudevents+json`: one event",
    `- \`application/cloudevents-batch+json\`: up to ${MAX_EVENTS} events`,
    "- `application/json`: either of them; with `ce-*` headers, the `data` of one event, whose attributes are the headers",
  ].join("\n"),
  content: {
    "application/cloudevents+json": { schema: ref("UsageEvent"), examples: { one } },
    "application/cloudevents-batch+json": { schema: batch, examples: { several } },
    "application/json": { schema: { oneOf: [ref("UsageEvent"), batch] }, examples: { one, several } },
  },
};

const ceHeader = (name: string, description: string) => ({
  name: `ce-${name}`,
  in: "header",
  description: `Binary mode: ${description}`,
  schema: { type: "string", maxLength: MAX_ATTRIBUTE_BYTES },
});

const parameters = [
  {
    name: "import",
    in: "query",
    description:
      "`true`: takes events of any age since the tenant's first period, which count in their billing period; no alert and no limit on another window reacts to them. Needs the scope `ADMIN` instead of `INGEST`",
    schema: { type: "boolean", default: false },
  },
  {
    name: "Content-Encoding",
    in: "header",
    description: "Of the body; absent: it is not compressed",
    schema: { type: "string", enum: ["gzip", "identity"] },
  },
  ceHeader("specversion", "`1.0`; this header or `ce-id` says that the body is the event's data"),
  ceHeader("id", "the event's `id`"),
  ceHeader("source", "its `source`"),
  ceHeader("type", "its `type`"),
  ceHeader("subject", "its `subject`"),
  ceHeader("time", "its `time`"),
];

/** An event's own errors, which are the request's if no event was taken. */
const OF_EVENTS: readonly ErrorCode[] = [
  "NUMBER_NOT_EXACT",
  "TIME_OUT_OF_RANGE",
  "BEFORE_FIRST_PERIOD",
  "SUBJECT_MISMATCH",
  "RESERVED_TYPE",
  "UNSUPPORTED_MEDIA_TYPE",
  "TENANT_OVER_SHARE",
  "LOG_UNAVAILABLE",
];

/** The problem of a request whose events were refused says what became of each. */
const WITH_RESULTS = {
  400: { properties: { results: { $ref: "#/components/schemas/IngestAnswer/properties/results" } } },
};

const tags = ["Usage events"];

export const EVENT_PATHS = {
  "/v1/events": {
    post: {
      operationId: "sendEvents",
      tags,
      summary: "Send usage events",
      description:
        "Answers when the log has the events. A repeat (the same `source` and `id`) is counted once, so send again whatever was not answered. A rejected event fails no other. Needs the scope `INGEST`.",
      parameters,
      requestBody,
      responses: {
        202: {
          description: "At least one event was taken or was there already; `results` says which",
          content: {
            "application/json": {
              schema: ref("IngestAnswer"),
              example: {
                accepted: 1,
                duplicates: 0,
                rejected: 0,
                results: [{ id: EVENT.id, source: EVENT.source, status: "accepted" }],
              },
            },
          },
        },
        ...problems(OF_EVENTS, WITH_RESULTS),
      },
    },
    get: {
      operationId: "findEvent",
      tags,
      summary: "What became of an event",
      description: "Needs the scope `INGEST`, `READ` or `ADMIN`.",
      parameters: [
        {
          name: "source",
          in: "query",
          required: true,
          description: "The event's `source`",
          schema: { type: "string", minLength: 1 },
          example: EVENT.source,
        },
        {
          name: "id",
          in: "query",
          required: true,
          description: "The event's `id`",
          schema: { type: "string", minLength: 1 },
          example: EVENT.id,
        },
        {
          name: "tenantId",
          in: "query",
          description: "Required with a platform key; with a tenant's own key only that tenant",
          schema: { type: "string", minLength: 1 },
        },
      ],
      responses: {
        200: {
          description: "The event, which is in the ledger or in quarantine",
          content: { "application/json": { schema: ref("EventOutcome") } },
        },
        ...problems(["NOT_FOUND"], {
          404: {
            properties: {
              recordedThrough: {
                type: ["string", "null"],
                format: "date-time",
                description: "What arrived before this moment is recorded: an event that is not there will not come",
              },
            },
          },
        }),
      },
    },
  },
  "/api/v1/events": {
    post: {
      operationId: "sendEventsToOpenMeter",
      tags,
      summary: "Send usage events as OpenMeter's SDK does",
      description:
        "As `POST /v1/events`, but a success has no body, and one rejected event makes the answer an error that says what became of each. Sending all of them again is safe.",
      parameters,
      requestBody,
      responses: {
        204: { description: "Every event was taken or was there already" },
        ...problems([...OF_EVENTS, "NOT_FOUND"], WITH_RESULTS),
      },
    },
  },
} as const;
