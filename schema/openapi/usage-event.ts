import { type Static, Type } from "@sinclair/typebox";
import { USAGE_EVENT_STATUSES } from "../vocabulary.js";
import { MAX_AGE_DAYS, MAX_AHEAD_MINUTES, MAX_ATTRIBUTE_BYTES, MAX_EVENT_BYTES } from "./limits.js";
import { enumOf, instant, instantOrNull, textOrNull } from "./parts.js";
import { CODES } from "./problem.js";

const attribute = (description: string, pattern?: string) =>
  Type.String({
    minLength: 1,
    maxLength: MAX_ATTRIBUTE_BYTES,
    ...(pattern !== undefined && { pattern }),
    description: `${description}; at most ${MAX_ATTRIBUTE_BYTES} bytes of UTF-8`,
  });

/** One CloudEvent in its JSON form. For the document only: ingestion checks events by hand, item by item. */
export const UsageEvent = Type.Object(
  {
    specversion: Type.Literal("1.0"),
    id: attribute("With `source`, what identifies the event: a repeat is counted once"),
    source: attribute("What sent the event"),
    type: attribute(
      "What happened: meters count the events of a type. `metrly.` is reserved",
      "^(?!metrly\\.)[^\\u0000]*$",
    ),
    subject: Type.Optional(textOrNull("The tenant's id: required with a platform key; a tenant's own key fixes it")),
    time: Type.Optional(
      instantOrNull(
        `When it happened (RFC 3339), from ${MAX_AGE_DAYS} days ago to ${MAX_AHEAD_MINUTES} minutes ahead; by default its arrival`,
      ),
    ),
    datacontenttype: Type.Optional(textOrNull("Only JSON can be metered")),
    data: Type.Optional(
      Type.Unknown({
        description:
          "The values and dimensions that meters read: a JSON object. A number that a double cannot keep exactly must be a string",
      }),
    ),
  },
  {
    description: `A CloudEvent 1.0, at most ${MAX_EVENT_BYTES} bytes as compact JSON. Extension attributes are accepted and dropped`,
    additionalProperties: true,
  },
);

const count = (description: string) => Type.Integer({ minimum: 0, description });

/** The outcome of each event of a request. */
export const IngestAnswer = Type.Object({
  accepted: count("Events that are in the log now"),
  duplicates: count("Events that were there already, as far as the edge knows; the final word is `GET /v1/events`"),
  rejected: count("Events that were refused; they fail no others"),
  results: Type.Array(
    Type.Object({
      id: Type.Optional(Type.String()),
      source: Type.Optional(Type.String()),
      status: enumOf(["accepted", "duplicate", "rejected"], "The outcome"),
      code: Type.Optional(enumOf(CODES, "Why it was rejected")),
      detail: Type.Optional(Type.String({ description: "Why it was rejected, for people; it names the path" })),
      unmetered: Type.Optional(
        Type.Literal(true, { description: "No meter counts this type, as far as the edge knows" }),
      ),
    }),
    { description: "One result per event, in the order sent" },
  ),
});

/** What became of an event. */
export const EventOutcome = Type.Object({
  id: Type.String(),
  source: Type.String(),
  type: Type.String(),
  status: enumOf(
    USAGE_EVENT_STATUSES.map((status) => status.toLowerCase()),
    "`recorded`: counted; `unmetered`: no meter counts its type; `quarantined`: kept until somebody decides; `voided`: taken back; `refused`: quarantined and then refused",
  ),
  seq: textOrNull("Its place in the ledger of its partition"),
  duplicates: count("Repeats that were dropped"),
  time: instantOrNull("When it happened"),
  receivedAt: instant("When it arrived"),
  recordedAt: instantOrNull("When it was recorded"),
  quarantineReason: textOrNull("Why it is or was in quarantine"),
  voidReason: textOrNull("Why it was voided"),
  conflicts: count("Events with the same id and other content"),
  conflictsSince: instantOrNull("When the first of them arrived"),
});
export type EventOutcome = Static<typeof EventOutcome>;
