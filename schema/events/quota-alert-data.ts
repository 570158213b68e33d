import { type Static, Type } from "@sinclair/typebox";
import { LIMIT_KINDS, LIMIT_UNITS, QUOTA_WINDOWS, THRESHOLD_KINDS } from "../vocabulary.js";
import { decimalText, oneOf, timeText } from "./contract.js";
import { growing } from "./growing.js";

const dimensionMatch = Type.Object({ dimension: Type.String(), value: Type.String() });

/** The data of `quota.warning` and `quota.exceeded`. */
export const quotaAlertData = Type.Object({
  tenantId: Type.String(),
  meter: Type.Union([Type.String(), Type.Null()]),
  /** Absent: QUANTITY. MONEY: `limit`, `used` and a threshold that is an amount are money, and `meter` is null. */
  unit: Type.Optional(growing("limit unit", oneOf(LIMIT_UNITS))),
  /** ISO 4217, of a limit in money. */
  currency: Type.Optional(Type.String()),
  window: growing("limit window", oneOf(QUOTA_WINDOWS)),
  /** Of a limit with `by`: the combination of values that it is about, ascending by dimension. Absent: all usage. */
  dimensions: Type.Optional(Type.Array(dimensionMatch, { minItems: 1 })),
  /** The `where` of the limit; absent: it counts any usage. */
  where: Type.Optional(Type.Array(dimensionMatch, { minItems: 1 })),
  /** Start of the aligned window in which usage crossed the threshold. */
  windowStart: timeText,
  kind: growing("limit kind", oneOf(LIMIT_KINDS)),
  /** What was crossed: a fraction of the limit, e.g. "0.8" ("1" for exceeded), or an amount. */
  threshold: decimalText,
  /** Absent: SHARE. */
  thresholdKind: Type.Optional(growing("threshold kind", oneOf(THRESHOLD_KINDS))),
  limit: decimalText,
  used: decimalText,
  planId: Type.String(),
  planVersion: Type.Integer({ minimum: 1 }),
  at: timeText,
});
export type QuotaAlertData = Static<typeof quotaAlertData>;

/** The example of an alert, valid for both contracts. */
export const quotaAlertExample = (threshold: string, used: string) => ({
  id: `acme:api_calls:BILLING_PERIOD:pro@2:2026-11-01T00:00:00.000Z:${threshold}`,
  source: "metrly/quota",
  subject: "acme",
  time: "2026-11-24T06:23:28.000Z",
  data: {
    tenantId: "acme",
    meter: "api_calls",
    window: "BILLING_PERIOD" as const,
    windowStart: "2026-11-01T00:00:00.000Z",
    kind: "HARD" as const,
    threshold,
    limit: "1000",
    used,
    planId: "pro",
    planVersion: 2,
    at: "2026-11-24T06:23:28.000Z",
  },
});
