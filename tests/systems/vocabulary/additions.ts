import type { Edit } from "../../support/checkout-copy.js";

/** A hypothetical new member of a closed set, and every place that must follow. */
export interface Addition {
  /** Its row of the table in CONTRIBUTING. */
  readonly wish: string;
  /** The edit that adds the member. */
  readonly edits: readonly Edit[];
  /** The places that the compiler then names: file and top-level declaration. */
  readonly places: readonly string[];
  /** Edits of some of these places, which the compiler needs to name others. */
  readonly next?: { readonly edits: readonly Edit[]; readonly places: readonly string[] };
  /** The tests that fail, for places the compiler cannot see. */
  readonly guards: readonly string[];
  /** The marks required in `schema/events/released/additions.json`. */
  readonly marks: readonly string[];
}

const VOCABULARY = "schema/vocabulary.ts";
/** A member after the last one of a set, whose text is unique in the vocabulary. */
const behind = (last: string, member: string): Edit => ({
  file: VOCABULARY,
  find: `"${last}"] as const`,
  put: `"${last}", "${member}"] as const`,
});

export const ADDITIONS: readonly Addition[] = [
  {
    wish: "a limit window",
    edits: [behind("DAY", "FORTNIGHT")],
    places: [
      "schema/vocabulary.ts WINDOW_MEANINGS",
      "schema/vocabulary.ts WINDOW_MS",
      "workers/notification/rules/describe.ts WINDOWS",
      "workers/quota/rules/windows.ts COUNTED_FOR_MS",
      "workers/quota/rules/windows.ts COUNTS_BY",
      "workers/quota/rules/windows.ts REBUILT_FROM",
    ],
    guards: ["schema/graphql/api.graphql has every QuotaWindow", "sdk/src/operations.ts has every QuotaWindow"],
    marks: [
      "metrly.quota.exceeded.v1.data.window<FORTNIGHT>",
      "metrly.quota.warning.v1.data.window<FORTNIGHT>",
      "metrly.tenancy.changed.v1<plan>.versions[].limits[].window<FORTNIGHT>",
      "metrly.tenancy.changed.v1<tenant>.quotaOverrides[].window<FORTNIGHT>",
    ],
  },
  {
    wish: "an aggregation",
    edits: [behind("LATEST", "RANGE")],
    places: [
      "schema/meters/meter-reading.ts READS",
      "schema/vocabulary.ts ADDITIVE",
      "workers/billing/derived.test.ts METERS",
      "workers/billing/rules/usage.ts CELL_KEEPS",
      "workers/billing/rules/usage.ts TOP_VALUE_BY",
      "workers/billing/rules/usage.ts quantityOf",
      "workers/billing/rules/usage.ts storedValue",
      "workers/billing/verifier/tally.ts aggregate",
      "workers/tenancy/graph/enums.ts Aggregation",
    ],
    guards: [
      "prisma/tenancy/migrations allow every aggregation",
      "schema/graphql/api.graphql has every Aggregation",
      "sdk/src/operations.ts has every Aggregation",
    ],
    marks: ["metrly.tenancy.changed.v1<meter>.aggregation<RANGE>"],
  },
  {
    wish: "a price model",
    edits: [behind("PERCENTAGE", "STAIRS")],
    places: [
      "schema/rating/amounts.ts modelOf",
      "schema/rating/pricing.ts priceByModel",
      "workers/billing/verifier/charges.ts modelSteps",
      "workers/tenancy/graph/enums.ts PriceModel",
      "workers/tenancy/rules/price.ts FIELDS_OF_MODEL",
    ],
    guards: [
      "docs/pricing.md has examples of every price model but the flat one, each row of them found",
      "schema/graphql/api.graphql has every PriceModel",
      "sdk/src/operations.ts has every PriceModel",
      "the stories' plans have prices of every model",
    ],
    marks: ["metrly.tenancy.changed.v1<plan>.versions[].prices[].model<STAIRS>"],
  },
  {
    wish: "a control record",
    edits: [
      { file: VOCABULARY, find: "CONTROL_RECORD_KINDS = [", put: 'CONTROL_RECORD_KINDS = ["freeze", ' },
      { file: VOCABULARY, find: "LEDGER_ENTRY_KINDS = [", put: 'LEDGER_ENTRY_KINDS = ["freeze", ' },
    ],
    places: [
      "schema/events/usage-received.v1.ts Controls",
      "schema/events/usage-recorded.v1.ts Entries",
      "workers/billing/verifier/credits.ts replayCredits",
    ],
    next: {
      edits: [
        {
          file: "schema/events/usage-received.v1.ts",
          find: "(CONTROL_RECORD_KINDS, {",
          put: '(CONTROL_RECORD_KINDS, { freeze: Type.Object({ kind: Type.Literal("freeze"), at: epochMs }),',
        },
        {
          file: "schema/events/usage-recorded.v1.ts",
          find: "(LEDGER_ENTRY_KINDS, {",
          put: '(LEDGER_ENTRY_KINDS, { freeze: Type.Object({ ...common, kind: Type.Literal("freeze"), at: epochMs }),',
        },
      ],
      places: [
        "schema/meters/usage-change.ts usageChange",
        "workers/billing/period-calendar.ts createPeriodCalendar",
        "workers/billing/rules/credit-steps.ts creditSteps",
        "workers/billing/rules/fold.ts foldEntries",
        "workers/billing/verifier/credits.ts replayCredits",
        "workers/billing/verifier/replay.ts live",
        "workers/ingestion/rules/decode-record.ts assertFields",
        "workers/ingestion/rules/record-items.ts controlEntry",
        "workers/quota/usage-recorded.ts readUsage",
      ],
    },
    guards: [],
    marks: ["metrly.usage.received.v1<1><freeze>", "metrly.usage.recorded.v1.entries[]<freeze>"],
  },
];
