import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { MeterState, PriceState, QuotaLimitState } from "#schema/events/tenancy-changed.v1.js";
import { QUOTA_WINDOWS } from "#schema/vocabulary.js";
import { type PlanDraft, validatePlanVersion } from "./plan-version.js";
import { claimSameUsage } from "./price.js";

const meter = (id: string, aggregation: MeterState["aggregation"], dimensions: string[] = []): MeterState => ({
  kind: "meter",
  id,
  version: 1,
  name: id,
  eventType: `type.${id}`,
  aggregation,
  valueProperty: aggregation === "COUNT" ? null : "value",
  dimensions,
  unit: null,
  createdInVersion: 1,
  archivedInVersion: null,
});

const METERS = new Map(
  [meter("calls", "COUNT", ["region", "model"]), meter("tokens", "SUM"), meter("seats", "MAX")].map((m) => [m.id, m]),
);

const price = (change: Partial<PriceState> = {}): PriceState => ({
  meter: "calls",
  model: "PER_UNIT",
  included: "0",
  unitAmount: "0.01",
  packageSize: null,
  ratePercent: null,
  tiers: [],
  divideBy: "1",
  roundUp: false,
  minimumAmount: null,
  maximumAmount: null,
  discountPercent: "0",
  where: [],
  ...change,
});
const tiered = (...upTo: (string | null)[]): PriceState =>
  price({
    model: "GRADUATED",
    unitAmount: null,
    tiers: upTo.map((end) => ({ upTo: end, unitAmount: "1", flatAmount: "0" })),
  });
const limit = (change: Partial<QuotaLimitState> = {}): QuotaLimitState => ({
  meter: "calls",
  window: "MINUTE",
  kind: "HARD",
  limit: "100",
  warnAt: ["0.8"],
  ...change,
});
const terms = (change: Partial<PlanDraft> = {}): PlanDraft => ({
  currency: "EUR",
  recurringFee: "0",
  minimumCommit: "0",
  prices: [],
  limits: [],
  ...change,
});
const pathsOf = (plan: PlanDraft) => {
  const reasons = validatePlanVersion(plan, METERS);
  expect(reasons.every(({ detail }) => detail.length > 10)).toBe(true);
  return reasons.map(({ path }) => path);
};

describe("a plan version", () => {
  test("may have several limits on a meter and window that count by different dimensions", () => {
    const europe = [{ dimension: "region", value: "eu" }];
    const limits = [
      ...[limit(), limit({ by: ["model"] }), limit({ where: europe }), limit({ by: ["model"], where: europe })],
      limit({ meter: null, by: ["user"], where: [{ dimension: "tier", value: "free" }] }),
    ];
    expect(pathsOf(terms({ limits }))).toEqual([]);
  });

  test("a limit in money is on all usage of the billing period, by prices on meters that count or sum; all else is told at once", () => {
    const money = (change: Partial<QuotaLimitState> = {}) =>
      limit({ meter: null, unit: "MONEY", window: "BILLING_PERIOD", ...change });
    const requests = limit({ meter: null, window: "BILLING_PERIOD" });
    const good = terms({ prices: [price(), price({ meter: "tokens" })], limits: [money(), requests] });
    expect(pathsOf(good)).toEqual([]);
    const europe = [{ dimension: "region", value: "eu" }];
    const wrong = terms({
      prices: [price(), price({ meter: "seats" }), price({ meter: "nope" })],
      limits: [money({ meter: "seats", window: "DAY", by: ["region"], where: europe, limit: "-1" }), money(), money()],
    });
    expect(validatePlanVersion(wrong, METERS)).toEqual([
      { path: "prices[2].meter", detail: 'there is no meter "nope"' },
      { path: "limits[0].meter", detail: "must be absent in a MONEY limit, which is on what all usage costs" },
      { path: "limits[0].by", detail: "must be absent in a MONEY limit, which is on what all usage costs" },
      { path: "limits[0].where", detail: "must be absent in a MONEY limit, which is on what all usage costs" },
      { path: "limits[0].window", detail: "must be BILLING_PERIOD in a MONEY limit" },
      { path: "limits[0].meter", detail: "a limit needs a COUNT or SUM meter, and seats is MAX" },
      { path: "limits[0].by[0]", detail: 'meter seats has no dimension "region"' },
      { path: "limits[0].where[0].dimension", detail: 'meter seats has no dimension "region"' },
      { path: "limits[0].by[0]", detail: '"region" is in `where` too, which leaves one value of it' },
      { path: "limits[0].limit", detail: "must not be negative" },
      { path: "prices[1].meter", detail: "a plan with a MONEY limit needs COUNT or SUM meters, and seats is MAX" },
      { path: "limits[2]", detail: "limits[1] is in money, too: a plan has one such limit" },
    ]);
    expect(pathsOf(terms({ prices: [price({ meter: "seats" })], limits: [requests] }))).toEqual([]);
  });

  const many = <T>(count: number, item: T): T[] => Array.from({ length: count }, () => item);
  const tiers = (count: number) => tiered(...Array.from({ length: count - 1 }, (_, n) => String(n + 1)), null);
  test.each<[string, PlanDraft, string[]]>([
    ["51 tiers", terms({ prices: [tiers(51)] }), ["prices[0].tiers"]],
    [
      "11 thresholds",
      terms({ limits: [limit({ warnAt: many(11, "0").map((_, n) => `0.${10 + n}`) })] }),
      ["limits[0].warnAt"],
    ],
    ["21 limits", terms({ limits: many(21, limit()) }), ["limits"]],
    ["101 prices", terms({ prices: many(101, price()) }), ["prices"]],
    [
      "a condition of 129 bytes",
      terms({ prices: [price({ where: [{ dimension: "region", value: "v".repeat(129) }] })] }),
      ["prices[0].where[0].value"],
    ],
  ])("refuses %s", (_, draft, paths) => {
    expect(pathsOf(draft).slice(0, 1)).toEqual(paths);
  });

  test("may have as much of everything as its limits say", () => {
    const where = [{ dimension: "region", value: "v".repeat(128) }];
    const full = terms({
      prices: [
        ...Array.from({ length: 98 }, (_, n) => price({ where: [{ dimension: "model", value: `${n}` }] })),
        ...[{ ...tiers(50), meter: "tokens" }, price({ meter: "seats" })],
      ],
      limits: [
        limit({ warnAt: Array.from({ length: 10 }, (_, n) => `0.${n + 10}`) }),
        ...(["SECOND", "HOUR", "DAY"] as const).map((window) => limit({ window, warnAt: ["0.5", "1"] })),
      ],
    });
    expect(validatePlanVersion(full, METERS)).toEqual([]);
    expect(validatePlanVersion(terms({ prices: [price({ where }), price({ catchAll: true })] }), METERS)).toEqual([]);
    const limits = ["calls", "tokens", null].flatMap((key) =>
      QUOTA_WINDOWS.map((window) => limit({ meter: key, window })),
    );
    expect(validatePlanVersion(terms({ limits: limits.slice(0, 20) }), METERS)).toEqual([]);
    const conditions = (count: number) =>
      pathsOf(terms({ prices: [price({ where: many(count, where[0]).flatMap((one) => one ?? []) })] }));
    expect([conditions(10)[0], conditions(11)[0]]).toEqual(["prices[0].where[1].dimension", "prices[0].where"]);
  });

  test("says what is wrong with a value and what it may be", () => {
    const detailsOf = (plan: PlanDraft) => validatePlanVersion(plan, METERS).map(({ detail }) => detail);
    const priced = (change: Partial<PriceState>) => detailsOf(terms({ prices: [price(change)] }));
    expect(priced({ unitAmount: "1e3" })).toEqual([
      "must be a decimal with at most 18 integer and 12 fractional digits",
    ]);
    expect(priced({ unitAmount: "-1" })).toEqual(["must not be negative"]);
    expect(priced({ divideBy: "0" })).toEqual(["must be greater than 0"]);
    expect(priced({ discountPercent: "100.1" })).toEqual(["must be at most 100"]);
    expect(priced({ discountPercent: "100" })).toEqual([]);
    expect(priced({ minimumAmount: "9", maximumAmount: "8" })).toEqual(["must not be below minimumAmount"]);
    expect(priced({ minimumAmount: "x", maximumAmount: "8" })).toHaveLength(1);
    expect(priced({ unitAmount: null, ratePercent: "1" })).toEqual([
      ...["PER_UNIT needs this field", "PER_UNIT does not use this field"],
    ]);
    const region = { dimension: "region", value: "eu" };
    expect(priced({ where: [region, region] })).toEqual(['names "region" twice']);
    expect(priced({ where: [region], catchAll: true })).toEqual([
      "must be empty in a catch-all price, which claims what no other price claims",
    ]);
    expect(detailsOf(terms({ prices: [price(), price()] }))).toEqual([
      "claims usage of calls that prices[0] claims too",
    ]);
    expect(detailsOf(terms({ prices: [price({ catchAll: true }), price({ catchAll: true })] }))).toHaveLength(1);
    expect(detailsOf(terms({ prices: [tiered("10", "9", null)] }))).toEqual([
      "must be greater than 10, where the tier before it ends",
    ]);
    expect(detailsOf(terms({ limits: [limit({ meter: "seats" })] }))).toEqual([
      "a limit needs a COUNT or SUM meter, and seats is MAX",
    ]);
    expect(detailsOf(terms({ limits: [limit(), limit()] }))).toEqual(["limits[0] is for the same meter and window"]);
    expect(detailsOf(terms({ limits: [limit({ warnAt: ["0.8", "0.7"] })] }))).toEqual([
      "must be greater than 0.8, the threshold before it",
    ]);
    for (const warnEvery of ["0", "-1"])
      expect(detailsOf(terms({ limits: [limit({ warnEvery })] }))).toEqual(["must be greater than 0"]);
    expect(priced({ meter: "nope", where: [region] })).toEqual(['there is no meter "nope"']);
    expect(detailsOf(terms({ limits: many(21, limit()) }))[0]).toBe("has at most 20 limits");
    expect(detailsOf(terms({ prices: many(101, price()) }))[0]).toBe("has at most 100 prices");
  });

  test("refuses each amount of a price and its tiers by its own path, and zero where it divides", () => {
    const details = { unitAmount: "0.01", packageSize: "1", ratePercent: "1" };
    const amounts = ["included", "discountPercent", "minimumAmount", "maximumAmount"] as const;
    for (const field of amounts)
      expect(pathsOf(terms({ prices: [price({ [field]: "x" })] }))).toEqual([`prices[0].${field}`]);
    for (const [model, field] of [
      ["PER_UNIT", "unitAmount"],
      ["PACKAGE", "packageSize"],
      ["PERCENTAGE", "ratePercent"],
    ] as const) {
      const needed = { ...{ unitAmount: null, packageSize: null, ratePercent: null }, [field]: details[field] };
      const unit = model === "PACKAGE" ? { unitAmount: "0.01" } : {};
      const priced = (text: string) =>
        pathsOf(terms({ prices: [price({ model, ...needed, ...unit, [field]: text })] }));
      expect([priced(details[field]), priced("x")]).toEqual([[], [`prices[0].${field}`]]);
      expect(priced("0")).toEqual(field === "packageSize" ? ["prices[0].packageSize"] : []);
    }
    for (const field of ["upTo", "unitAmount", "flatAmount"] as const) {
      const { tiers: list, ...rest } = tiered("10", null);
      const wrong = list.map((tier, index) => (index === 0 ? { ...tier, [field]: "-1" } : tier));
      expect(pathsOf(terms({ prices: [{ ...rest, tiers: wrong }] }))).toEqual([`prices[0].tiers[0].${field}`]);
    }
    expect(pathsOf(terms({ recurringFee: "x", minimumCommit: "x" }))).toEqual(["recurringFee", "minimumCommit"]);
  });

  test("tells what is wrong with a hundred prices, twenty limits, fifty tiers, ten conditions and ten thresholds", () => {
    const nope = { dimension: "x", value: "1" };
    const reasonsOf = (draft: Partial<PlanDraft>, path: RegExp) =>
      pathsOf(terms(draft)).filter((one) => path.test(one));
    expect(reasonsOf({ prices: many(101, price({ meter: "nope" })) }, /meter$/)).toHaveLength(100);
    expect(reasonsOf({ prices: many(101, price()) }, /where$/)).toHaveLength(99);
    expect(reasonsOf({ limits: many(21, limit({ meter: "nope" })) }, /meter$/)).toHaveLength(20);
    expect(reasonsOf({ limits: many(21, limit()) }, /limits\[\d+\]$/)).toHaveLength(19);
    expect(reasonsOf({ prices: [tiered(...many(51, "x"))] }, /upTo$/)).toHaveLength(50);
    expect(reasonsOf({ prices: [tiered(...many(50, "x"))] }, /upTo$/)).toHaveLength(51);
    expect(reasonsOf({ prices: [price({ where: many(11, nope) })] }, /dimension$/)).toHaveLength(19);
    expect(reasonsOf({ limits: [limit({ warnAt: many(11, "x") })] }, /\]$/)).toHaveLength(10);
    expect(reasonsOf({ prices: [price({ catchAll: true, where: [nope] })] }, /where$/)).toEqual(["prices[0].where"]);
  });

  test("refuses lists far over their limits by as few reasons as lists just over them", () => {
    const far = terms({
      prices: [price({ where: many(30_000, { dimension: "x", value: "1" }) }), tiered(...many(30_000, null))],
      limits: [limit({ warnAt: many(30_000, "2") })],
    });
    expect(pathsOf(far).length).toBeLessThan(200);
  });

  test("with sound prices and limits has nothing against it", () => {
    const sound = terms({
      prices: [
        price({ where: [{ dimension: "region", value: "eu" }] }),
        price({ where: [{ dimension: "region", value: "us" }] }),
        { ...tiered("100", "1000", null), meter: "tokens" },
        price({ meter: "seats", model: "PACKAGE", packageSize: "10", minimumAmount: "5", maximumAmount: "5" }),
      ],
      limits: [
        ...[limit(), limit({ window: "DAY", limit: "0" }), limit({ meter: null })],
        limit({ meter: "tokens", limit: "999999999999999999.999999999999", warnAt: [] }),
        limit({ window: "CALENDAR_DAY", warnAtAmounts: ["0.5", "100", "1000"], warnEvery: "0.1" }),
      ],
    });
    expect(validatePlanVersion(sound, METERS)).toEqual([]);
  });

  test("returns every reason", () => {
    const wrong = terms({
      currency: "EURO",
      recurringFee: "-1",
      prices: [price({ meter: "nope", unitAmount: "-0.01", discountPercent: "101" })],
      limits: [limit({ meter: "seats", limit: "-1" })],
    });
    expect(pathsOf(wrong)).toEqual([
      "currency",
      "recurringFee",
      "prices[0].meter",
      "prices[0].unitAmount",
      "prices[0].discountPercent",
      "limits[0].meter",
      "limits[0].limit",
    ]);
  });

  test.each<[string, PriceState, string[]]>([
    ["an end in the last tier", tiered("10", "20"), ["prices[0].tiers[1].upTo"]],
    ["no end before the last tier", tiered(null, null), ["prices[0].tiers[0].upTo"]],
    ["tiers that repeat an end", tiered("10", "10", null), ["prices[0].tiers[1].upTo"]],
    ["tiers that descend", tiered("10", "9", null), ["prices[0].tiers[1].upTo"]],
    ["a tier that ends at 0", tiered("0", null), ["prices[0].tiers[0].upTo"]],
    ["tiers that are missing", tiered(), ["prices[0].tiers"]],
    ["a package without a size", price({ model: "PACKAGE" }), ["prices[0].packageSize"]],
    ["a percentage without a rate", price({ model: "PERCENTAGE", unitAmount: null }), ["prices[0].ratePercent"]],
    ["a field that the model ignores", price({ model: "FLAT", ratePercent: "1" }), ["prices[0].ratePercent"]],
    ["division by zero", price({ divideBy: "0" }), ["prices[0].divideBy"]],
    ["a cap below the minimum", price({ minimumAmount: "9", maximumAmount: "8" }), ["prices[0].maximumAmount"]],
    ["an unknown dimension", price({ where: [{ dimension: "x", value: "1" }] }), ["prices[0].where[0].dimension"]],
    ["an amount that is no decimal", price({ unitAmount: "1e3" }), ["prices[0].unitAmount"]],
  ])("refuses %s", (_, wrong, paths) => {
    expect(pathsOf(terms({ prices: [wrong] }))).toEqual(paths);
  });

  test.each<[string, QuotaLimitState[], string[]]>([
    ["a limit on an unknown meter", [limit({ meter: "nope" })], ["limits[0].meter"]],
    ["13 fractional digits", [limit({ limit: "1.0000000000001" })], ["limits[0].limit"]],
    ["a negative limit", [limit({ limit: "-0.1" })], ["limits[0].limit"]],
    ["a threshold above 1", [limit({ warnAt: ["1.01"] })], ["limits[0].warnAt[0]"]],
    ["a threshold of 0", [limit({ warnAt: ["0"] })], ["limits[0].warnAt[0]"]],
    ["a dimension that the meter has not", [limit({ by: ["user"] })], ["limits[0].by[0]"]],
    ["a dimension twice", [limit({ by: ["region", "region"] })], ["limits[0].by[1]"]],
    [
      "a condition on an unknown dimension, and one twice",
      [
        limit({
          where: [
            { dimension: "user", value: "u1" },
            { dimension: "region", value: "eu" },
            { dimension: "region", value: "us" },
          ],
        }),
      ],
      ["limits[0].where[0].dimension", "limits[0].where[2].dimension"],
    ],
    [
      "a dimension in by and where",
      [limit({ by: ["model", "region"], where: [{ dimension: "region", value: "eu" }] })],
      ["limits[0].by[1]"],
    ],
    [
      "a long value",
      [limit({ where: [{ dimension: "region", value: "é".repeat(65) }] })],
      ["limits[0].where[0].value"],
    ],
    ["requests by user and hour", [limit({ meter: null, window: "HOUR", by: ["user"] })], ["limits[0].by"]],
    ["requests by no name", [limit({ meter: null, by: [""] })], ["limits[0].by[0]"]],
    [
      "the same dimensions in another order",
      [limit({ by: ["region", "model"] }), limit({ by: ["model", "region"] })],
      ["limits[1]"],
    ],
    ["thresholds that don't ascend", [limit({ warnAt: ["0.8", "0.8"] })], ["limits[0].warnAt[1]"]],
    [
      "amounts that don't ascend, or are none",
      [limit({ warnAtAmounts: ["5", "5"] }), limit({ window: "DAY", warnAtAmounts: ["0", "-1", "x"] })],
      [
        ...["limits[0].warnAtAmounts[1]", "limits[1].warnAtAmounts[0]"],
        ...["limits[1].warnAtAmounts[1]", "limits[1].warnAtAmounts[1]", "limits[1].warnAtAmounts[2]"],
      ],
    ],
    ["a multiple of nothing", [limit({ warnEvery: "0" })], ["limits[0].warnEvery"]],
    ["a multiple below a thousandth of the limit", [limit({ warnEvery: "0.09" })], ["limits[0].warnEvery"]],
    ["multiples of a limit that is none", [limit({ limit: "x", warnEvery: "1" })], ["limits[0].limit"]],
    ["multiples beside a limit of 0", [limit({ limit: "0", warnEvery: "1" })], ["limits[0].warnEvery"]],
    ["two limits for one meter and window", [limit(), limit({ kind: "SOFT" })], ["limits[1]"]],
  ])("refuses %s", (_, limits, paths) => {
    expect(pathsOf(terms({ limits }))).toEqual(paths);
  });

  test("refuses exactly the prices that some usage would meet twice", () => {
    const region = fc.constantFrom("eu", "us");
    const where = fc
      .record({ region: fc.option(region), model: fc.option(fc.constantFrom("a", "b")) })
      .map((match) =>
        Object.entries(match).flatMap(([dimension, value]) => (value === null ? [] : [{ dimension, value }])),
      );
    const everyUsage = ["eu", "us", "asia"].flatMap((r) => ["a", "b", "c"].map((m) => ({ region: r, model: m })));
    const matches = (conditions: PriceState["where"], usage: Readonly<Record<string, string>>) =>
      conditions.every(({ dimension, value }) => usage[dimension] === value);
    fc.assert(
      fc.property(where, where, (a, b) => {
        const both = everyUsage.some((usage) => matches(a, usage) && matches(b, usage));
        expect(claimSameUsage(price({ where: a }), price({ where: b }))).toBe(both);
        expect(pathsOf(terms({ prices: [price({ where: a }), price({ where: b })] })).length > 0).toBe(both);
      }),
    );
  });

  test("accepts tiers exactly when they cover every quantity once", () => {
    const ends = fc.array(fc.option(fc.integer({ min: 1, max: 6 }).map(String)), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(ends, (upTo) => {
        const bounds = upTo.map((end) => (end === null ? Number.POSITIVE_INFINITY : Number(end)));
        const ascends = bounds.every((end, index) => index === 0 || (bounds[index - 1] ?? 0) < end);
        const covers = ascends && bounds.at(-1) === Number.POSITIVE_INFINITY;
        expect(pathsOf(terms({ prices: [tiered(...upTo)] })).length === 0).toBe(covers);
      }),
    );
  });
});
