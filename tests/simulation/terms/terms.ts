/** What the simulated installation charges and limits, in numbers: the product and the judge read it, each in its own way. */

export const TENANTS = ["acme", "bolt", "cargo"] as const;
/** The days after a period's end in which its usage still arrives. */
export const GRACE_DAYS = 3;
/** Shortly before the run: a jumped clock ends few periods. */
export const STARTS_AT = Date.UTC(2026, 0, 1);

export interface MeterTerms {
  readonly id: string;
  readonly type: string;
  readonly aggregation: "COUNT" | "SUM" | "MAX" | "UNIQUE" | "LATEST";
}

/** Some types of events are counted by two meters. */
export const METERS: readonly MeterTerms[] = [
  { id: "calls", type: "api.request", aggregation: "COUNT" },
  { id: "users", type: "api.request", aggregation: "UNIQUE" },
  { id: "bytes", type: "api.transfer", aggregation: "SUM" },
  { id: "peak", type: "api.transfer", aggregation: "MAX" },
  { id: "sales", type: "shop.order", aggregation: "SUM" },
  { id: "stock", type: "shop.order", aggregation: "LATEST" },
];

/** Created during a run, with a backfill: it counts what no other meter does. */
export const LATE_METER: MeterTerms = { id: "late", type: "late.type", aggregation: "SUM" };
/** Tenancy's, from the start and with the late meter. */
export const FIRST_VERSION = 1;
export const LATE_VERSION = 2;

export interface Tier {
  /** Inclusive; null: without end. */
  readonly upTo: number | null;
  readonly unit: number;
  readonly flat: number;
}

/** Money in millionths of the currency's unit. */
export interface PriceTerms {
  readonly meter: string;
  readonly included?: number;
  readonly discountPercent?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  /** The lane whose usage it charges; `OTHER_LANES`: what no other price of its meter charges. Absent: all. */
  readonly lane?: string;
  readonly by:
    | { readonly model: "FLAT" | "PER_UNIT"; readonly unit: number }
    | { readonly model: "GRADUATED" | "VOLUME"; readonly tiers: readonly Tier[] }
    | { readonly model: "PACKAGE"; readonly unit: number; readonly size: number }
    /** In tenths of a percent. */
    | { readonly model: "PERCENTAGE"; readonly permille: number };
}

export const OTHER_LANES = "others";

/** A line's price is its place here. */
export const PRICES: readonly PriceTerms[] = [
  {
    meter: "calls",
    included: 1,
    by: {
      model: "GRADUATED",
      tiers: [
        { upTo: 3, unit: 5_000, flat: 0 },
        { upTo: null, unit: 2_500, flat: 40_000 },
      ],
    },
  },
  { meter: "users", by: { model: "PACKAGE", unit: 250_000, size: 3 } },
  { meter: "bytes", maximum: 2_000_000, by: { model: "PER_UNIT", unit: 17_000 } },
  {
    meter: "peak",
    by: {
      model: "VOLUME",
      tiers: [
        { upTo: 20, unit: 31_500, flat: 0 },
        { upTo: null, unit: 20_000, flat: 105_000 },
      ],
    },
  },
  { meter: "sales", discountPercent: 10, minimum: 333_333, by: { model: "PERCENTAGE", permille: 29 } },
  { meter: "stock", by: { model: "FLAT", unit: 500_000 } },
];

export interface LimitTerms {
  /** Null: requests. */
  readonly meter: string | null;
  readonly window: "MINUTE" | "HOUR" | "DAY" | "BILLING_PERIOD";
  readonly kind: "HARD" | "SOFT";
  readonly limit: number;
  readonly warnAt: readonly string[];
}

/** Few clients reach them. */
export const LIMITS: readonly LimitTerms[] = [
  { meter: "calls", window: "BILLING_PERIOD", kind: "HARD", limit: 5, warnAt: ["0.4", "0.8"] },
  { meter: "calls", window: "DAY", kind: "SOFT", limit: 2, warnAt: [] },
  { meter: "bytes", window: "BILLING_PERIOD", kind: "HARD", limit: 120, warnAt: ["0.5"] },
  { meter: "bytes", window: "HOUR", kind: "HARD", limit: 80, warnAt: [] },
  { meter: null, window: "HOUR", kind: "HARD", limit: 6, warnAt: [] },
];

/** Of a run with lanes: each lane has a limit of its own, and one of them another. Both are hard, and of the billing period. */
export const LANES = { meter: "bytes", type: "api.transfer", each: 60, named: "0", ofNamed: 40 } as const;
/** What an event or a request of this amount is of: one that differs from what was asked may be of another lane. */
export const laneOf = (amount: number): string => String(amount % 3);
export const laneLimit = (lane: string): number => (lane === LANES.named ? LANES.ofNamed : LANES.each);

export const PLAN_ID = "pro";
