import { type Static, Type } from "@sinclair/typebox";
import { MAX_FRACTION_DIGITS, MAX_INTEGER_DIGITS } from "#kernel/decimal.js";
import { MAX_DIMENSION_BYTES } from "../meters/meter-reading.js";
import { DEFAULT_TTL_SECONDS, MAX_KEY_BYTES, MAX_TTL_SECONDS, MAX_USAGE_METERS } from "./limits.js";

/** What a request for a decision does: look, reserve, or give back. */
export const OPERATIONS = ["check", "consume", "release"] as const;
export type QuotaOperation = (typeof OPERATIONS)[number];

const amountDescription = `At most ${MAX_INTEGER_DIGITS} integer and ${MAX_FRACTION_DIGITS} fractional digits; a number that JSON parsers would change must be sent as a string`;

/** The members of a request for a decision; the service validates requests with exactly this schema. */
export const QuotaRequest = Type.Object(
  {
    operation: Type.Optional(
      Type.Union(
        OPERATIONS.map((name) => Type.Literal(name)),
        { description: "In a batch, `consume` by default; elsewhere the path decides and this is omitted" },
      ),
    ),
    meter: Type.Optional(
      Type.Union([Type.String(), Type.Null()], {
        description: "The meter's key; null or absent: one request is counted",
      }),
    ),
    amount: Type.Optional(
      Type.Union([Type.String(), Type.Number()], {
        description: `How much, not negative; 1 by default. ${amountDescription}`,
      }),
    ),
    usage: Type.Optional(
      Type.Array(
        Type.Object(
          {
            meter: Type.String({ description: "The meter's key" }),
            amount: Type.Union([Type.String(), Type.Number()], {
              description: `How much, not negative. ${amountDescription}`,
            }),
          },
          { additionalProperties: false },
        ),
        {
          minItems: 1,
          maxItems: MAX_USAGE_METERS,
          description: `Instead of \`meter\` and \`amount\`: quantities of at most ${MAX_USAGE_METERS} different meters, reserved together or not at all. The usage event settles each meter that it counts for`,
        },
      ),
    ),
    idempotencyKey: Type.Optional(
      Type.String({
        minLength: 1,
        description: `At most ${MAX_KEY_BYTES} bytes of UTF-8; required except for \`check\`. Use the \`id\` of the usage event, which settles the reservation`,
      }),
    ),
    ttlSeconds: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: MAX_TTL_SECONDS,
        default: DEFAULT_TTL_SECONDS,
        description: "How long the reservation stays open",
      }),
    ),
    dimensions: Type.Optional(
      Type.Record(Type.String(), Type.String(), {
        description: `Values of the usage's dimensions, by name, each of at most ${MAX_DIMENSION_BYTES} bytes of UTF-8. Required are those that limits of the tenant's plan count by (\`by\`, \`where\`); others change no decision`,
      }),
    ),
    tenantId: Type.Optional(
      Type.Union([Type.String(), Type.Null()], {
        description: "Required with a platform key; a tenant's own key fixes it",
      }),
    ),
  },
  { additionalProperties: false },
);
export type QuotaRequest = Static<typeof QuotaRequest>;
