import { DAY_MS } from "#kernel/duration.js";

/** Random numbers of one life, all from one seed. */
export interface Dice {
  /** In [0, 1). */
  next(): number;
  /** A whole number from `from` to `to`. */
  whole(from: number, to: number): number;
  /** Decimal text up to `most` with up to `digits` fractional digits. */
  decimal(most: number, digits: number): string;
  one<T>(items: readonly [T, ...T[]]): T;
  chance(share: number): boolean;
}

export function dice(next: () => number): Dice {
  const whole = (from: number, to: number) => from + Math.floor(next() * (to - from + 1));
  return {
    next,
    whole,
    decimal: (most, digits) => (whole(0, most * 10 ** digits) / 10 ** digits).toFixed(digits),
    one: <T>(items: readonly [T, ...T[]]): T => items[whole(0, items.length - 1)] ?? items[0],
    chance: (share) => next() < share,
  };
}

/** Of different offsets, some in parts of an hour, and of both hemispheres' summer times. */
export const TIME_ZONES = [
  "UTC",
  "Europe/Berlin",
  "America/St_Johns",
  "America/Los_Angeles",
  "Asia/Kathmandu",
  "Australia/Lord_Howe",
  "Pacific/Apia",
] as const;

/** The meters of one life. All but the last count the same events. */
export const metersOf = (name: string) =>
  [
    { key: `${name}_calls`, aggregation: "COUNT", eventType: `${name}.work`, dimensions: ["model"] },
    {
      ...{ key: `${name}_sum`, aggregation: "SUM", eventType: `${name}.work`, valueProperty: "n" },
      dimensions: ["model"],
    },
    { key: `${name}_peak`, aggregation: "MAX", eventType: `${name}.work`, valueProperty: "n" },
    { key: `${name}_users`, aggregation: "UNIQUE", eventType: `${name}.work`, valueProperty: "user" },
    { key: `${name}_last`, aggregation: "LATEST", eventType: `${name}.work`, valueProperty: "n" },
    { key: `${name}_marks`, aggregation: "COUNT", eventType: `${name}.mark` },
  ].map((meter) => ({ ...meter, name: meter.key }));

const MODEL_A = [{ dimension: "model", value: "a" }];

/** Random terms: each meter with some price of some model, fee, commit, and limits of every kind. */
export function termsOf(name: string, d: Dice) {
  // A limit in money is on plans whose prices are on COUNT and SUM.
  const isSpent = d.chance(0.5);
  const priced = isSpent ? ["calls", "sum"] : ["calls", "sum", "peak", "users", "last"];
  const prices = priced.flatMap((meter): object[] => {
    const key = `${name}_${meter}`;
    if (d.chance(0.15)) return [];
    if (!["calls", "sum"].includes(meter) || d.chance(0.5)) return [{ meter: key, ...priceOf(d) }];
    const where = { meter: key, ...priceOf(d), where: MODEL_A };
    return d.chance(0.5) ? [where] : [where, { meter: key, ...priceOf(d), catchAll: true }];
  });
  return {
    currency: "EUR",
    recurringFee: d.decimal(50, 2),
    recurringFeeProration: d.one(["NONE", "DAILY"]),
    minimumCommit: d.chance(0.5) ? d.decimal(200, 2) : "0",
    prices,
    limits: [
      { meter: `${name}_sum`, window: "BILLING_PERIOD", kind: "HARD", limit: "400", warnAt: ["0.25", "0.5", "0.9"] },
      { meter: `${name}_calls`, window: "DAY", kind: "SOFT", limit: "5" },
      { window: "HOUR", kind: "HARD", limit: "12" },
      { meter: `${name}_sum`, window: "CALENDAR_DAY", kind: "HARD", limit: "300", warnAt: ["0.6"] },
      { meter: `${name}_calls`, window: "CALENDAR_WEEK", kind: "SOFT", limit: "12" },
      { window: "CALENDAR_MONTH", kind: "HARD", limit: "60" },
      { meter: `${name}_marks`, window: "MINUTE", kind: "SOFT", limit: "1" },
      { meter: `${name}_sum`, window: "BILLING_PERIOD", kind: "HARD", limit: "250", by: ["model"], warnAt: ["0.5"] },
      { meter: `${name}_calls`, window: "BILLING_PERIOD", kind: "SOFT", limit: "4", where: MODEL_A },
      ...(isSpent ? [{ unit: "MONEY", window: "BILLING_PERIOD", kind: "HARD", limit: d.decimal(400, 2) }] : []),
    ],
  };
}

function priceOf(d: Dice): object {
  const tiers = () => [
    { upTo: "3", unitAmount: d.decimal(5, 3), flatAmount: d.decimal(3, 2) },
    { upTo: "20.5", unitAmount: d.decimal(2, 4) },
    { unitAmount: d.decimal(1, 3), flatAmount: d.decimal(9, 2) },
  ];
  const model = d.one([
    () => ({ model: "FLAT", unitAmount: d.decimal(20, 3) }),
    () => ({ model: "PER_UNIT", unitAmount: d.decimal(3, 4) }),
    () => ({ model: "GRADUATED", tiers: tiers() }),
    () => ({ model: "VOLUME", tiers: tiers() }),
    () => ({ model: "PACKAGE", unitAmount: d.decimal(9, 2), packageSize: d.one(["3", "0.7", "10"]) }),
    () => ({ model: "PERCENTAGE", ratePercent: d.decimal(30, 3) }),
  ])();
  return {
    ...model,
    ...(d.chance(0.4) && { divideBy: d.one(["3", "7", "0.5", "1000"]) }),
    ...(d.chance(0.3) && { roundUp: true }),
    ...(d.chance(0.3) && { included: d.decimal(10, 1) }),
    ...(d.chance(0.3) && { discountPercent: d.decimal(90, 1) }),
    ...(d.chance(0.2) && { minimumAmount: d.decimal(5, 2) }),
    ...(d.chance(0.2) && { maximumAmount: `1${d.decimal(40, 0)}` }),
  };
}

/** A time at which the edge may still take an event, or a little outside. */
export const timeOf = (d: Dice, clockMs: number): string =>
  new Date(clockMs - Math.floor(d.next() * 34 * DAY_MS) + (d.chance(0.02) ? DAY_MS : 0)).toISOString();
