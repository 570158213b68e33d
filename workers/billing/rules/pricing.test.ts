import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Decimal, formatDecimal, ZERO } from "#kernel/decimal.js";
import type { PriceState } from "#schema/events/tenancy-changed.v1.js";
import { printExact, roundLine } from "#schema/rating/exact.js";
import { priceUsage } from "#schema/rating/pricing.js";
import { PRICE_MODELS } from "#schema/vocabulary.js";
import { runs } from "../../../tests/support/effort.js";
import { charges } from "../verifier/charges.js";
import { fixed, plain, rational } from "../verifier/rational.js";
import { EVERY_DAY } from "./charged-days.js";
import { adjustmentLines, chargeLines, type Invoiced, type InvoiceLine, keyOf } from "./invoice-lines.js";

const price = (changes: Partial<PriceState> & Pick<PriceState, "model">): PriceState => ({
  meter: "calls",
  included: "0",
  unitAmount: null,
  packageSize: null,
  ratePercent: null,
  tiers: [],
  divideBy: "1",
  roundUp: false,
  minimumAmount: null,
  maximumAmount: null,
  discountPercent: "0",
  where: [],
  ...changes,
});
const cost = (p: PriceState, quantity: string | number): string =>
  printExact(priceUsage(p, new Decimal(quantity)).amount);

const TIERS = [
  { upTo: "100", unitAmount: "1", flatAmount: "5" },
  { upTo: "200", unitAmount: "0.5", flatAmount: "10" },
  { upTo: null, unitAmount: "0.1", flatAmount: "0" },
];

describe("worked examples", () => {
  test.each([
    [0, "5"], // the first tier's flat amount is due at 0
    [100, "105"], // 100 x 1 + 5: upTo is inclusive, tier 2 is not reached
    ["100.5", "115.25"], // 105 + 0.5 x 0.5 + 10
    [200, "165"], // 105 + 100 x 0.5 + 10
    [250, "170"], // 165 + 50 x 0.1 + 0
  ])("GRADUATED %s costs %s", (quantity, expected) => {
    expect(cost(price({ model: "GRADUATED", tiers: TIERS }), quantity)).toBe(expected);
  });

  test.each([
    [0, "5"], // 0 x 1 + 5
    [100, "105"], // 100 x 1 + 5
    [101, "60.5"], // 101 x 0.5 + 10: all of it at tier 2's price
    [200, "110"],
    ["200.01", "20.001"], // 200.01 x 0.1
  ])("VOLUME %s costs %s", (quantity, expected) => {
    expect(cost(price({ model: "VOLUME", tiers: TIERS }), quantity)).toBe(expected);
  });

  test.each([
    [0, "0"],
    [1, "3"], // one started package of 1,000
    [1000, "3"],
    [1001, "6"],
  ])("PACKAGE %s costs %s", (quantity, expected) => {
    expect(cost(price({ model: "PACKAGE", packageSize: "1000", unitAmount: "3" }), quantity)).toBe(expected);
  });

  test("PERCENTAGE takes its rate of the quantity, FLAT is due whatever is used, PER_UNIT multiplies", () => {
    expect(cost(price({ model: "PERCENTAGE", ratePercent: "2.9" }), "1234.56")).toBe("35.80224");
    expect(cost(price({ model: "FLAT", unitAmount: "7.5" }), 0)).toBe("7.5");
    expect(cost(price({ model: "PER_UNIT", unitAmount: "0.0004" }), 12_345)).toBe("4.938");
  });

  test("the order is convert, include, price, discount, raise, cap", () => {
    // 2,500 / 1,000 rounded up = 3, less 1 included = 2, x 10 = 20, less 25 % = 15.
    const base = { model: "PER_UNIT", unitAmount: "10", divideBy: "1000", roundUp: true, included: "1" } as const;
    const discounted = price({ ...base, discountPercent: "25" });
    expect(cost(discounted, 2500)).toBe("15");
    expect(cost({ ...discounted, minimumAmount: "18" }, 2500)).toBe("18");
    expect(cost({ ...discounted, minimumAmount: "18", maximumAmount: "16" }, 2500)).toBe("16");
    expect(priceUsage({ ...discounted, minimumAmount: "18" }, new Decimal(2500)).steps.map((s) => s.note?.[2])).toEqual(
      ["divided by 1000, rounded up", "included", undefined, "25 % discount", "raised to the minimum of 18"],
    );
  });

  test("usage that went below zero costs what zero costs", () => {
    expect(cost(price({ model: "PER_UNIT", unitAmount: "3" }), -5)).toBe("0");
    expect(cost(price({ model: "GRADUATED", tiers: TIERS }), -5)).toBe("5");
  });

  test("a price without what its model needs, and tiers with an end, are bugs", () => {
    for (const [model, field] of [
      ...([
        ["FLAT", "unitAmount"],
        ["PER_UNIT", "unitAmount"],
        ["PERCENTAGE", "ratePercent"],
      ] as const),
      ["PACKAGE", "packageSize"],
    ] as const)
      expect(() => cost(price({ model, [field]: null }), 1)).toThrow(`a price of this model needs ${field}`);
    expect(() => cost(price({ model: "PACKAGE", packageSize: "1" }), 1)).toThrow("needs unitAmount");
    expect(cost(price({ model: "VOLUME", tiers: TIERS.slice(0, 2) }), 200)).toBe("110");
    expect(() => cost(price({ model: "VOLUME", tiers: TIERS.slice(0, 2) }), 201)).toThrow("must be unbounded");
  });

  test("a quotient that does not terminate still rounds as the exact fraction does", () => {
    // 1 / 3 x 0.015 = 0.005 exactly: half up gives 0.01.
    const third = priceUsage(price({ model: "PER_UNIT", unitAmount: "0.015", divideBy: "3" }), new Decimal(1));
    expect(roundLine(third.amount, "EUR").toFixed()).toBe("0.01");
    expect(roundLine(third.amount.neg(), "EUR").toFixed()).toBe("-0.01");
  });

  test.each([
    ["JPY", "10.5", "11"],
    ["KWD", "10.0005", "10.001"],
    ["EUR", "10.005", "10.01"],
  ])("%s rounds %s to %s", (currency, exactAmount, expected) => {
    expect(roundLine(new Decimal(exactAmount), currency).toFixed()).toBe(expected);
  });
});

const decimalText = (max: number, digits: number): fc.Arbitrary<string> =>
  fc.integer({ min: 0, max: max * 10 ** digits }).map((units) => formatDecimal(new Decimal(units).div(10 ** digits)));

const tiers = fc.uniqueArray(fc.integer({ min: 1, max: 60 }), { maxLength: 4 }).chain((bounds) => {
  const ends = [...bounds.sort((a, b) => a - b).map(String), null];
  return fc.tuple(
    ...ends.map((upTo) =>
      fc.record({ upTo: fc.constant(upTo), unitAmount: decimalText(3, 3), flatAmount: decimalText(5, 2) }),
    ),
  );
});

describe("against formulas of another kind", () => {
  test("GRADUATED equals counting unit by unit", () => {
    fc.assert(
      fc.property(tiers, fc.integer({ min: 0, max: 120 }), (list, quantity) => {
        const tierOf = (unit: number) => list.findIndex((tier) => tier.upTo === null || unit <= Number(tier.upTo));
        const reached = quantity === 0 ? 0 : tierOf(quantity);
        let mills = 0;
        for (let unit = 1; unit <= quantity; unit += 1)
          mills += Math.round(Number(list[tierOf(unit)]?.unitAmount) * 1000);
        for (const tier of list.slice(0, reached + 1)) mills += Math.round(Number(tier.flatAmount) * 1000);
        expect(cost(price({ model: "GRADUATED", tiers: list }), quantity)).toBe(
          formatDecimal(new Decimal(mills).div(1000)),
        );
      }),
      { numRuns: runs(300) },
    );
  });

  test("PACKAGE equals filling boxes", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 1, max: 20 }), (quantity, size) => {
        let boxes = 0;
        for (let left = quantity; left > 0; left -= size) boxes += 1;
        expect(cost(price({ model: "PACKAGE", packageSize: String(size), unitAmount: "1" }), quantity)).toBe(
          String(boxes),
        );
      }),
    );
  });

  const anyPrice: fc.Arbitrary<PriceState> = fc
    .record({
      model: fc.constantFrom(...PRICE_MODELS),
      tiers,
      unitAmount: decimalText(5, 6),
      packageSize: fc.constantFrom("1", "3", "10", "0.7"),
      ratePercent: decimalText(150, 4),
      included: decimalText(20, 3),
      divideBy: fc.constantFrom("1", "3", "7", "1024", "0.9"),
      roundUp: fc.boolean(),
      discountPercent: fc.constantFrom("0", "0", "12.5", "100"),
      minimumAmount: fc.option(decimalText(30, 3)),
      maximumAmount: fc.option(decimalText(60, 3)),
    })
    .map((changes) => price(changes));

  test("every model agrees with the verifier's fractions on amount, rounding and each printed step", () => {
    const quantity = fc
      .integer({ min: -2_000_000, max: 200_000_000 })
      .map((n) => formatDecimal(new Decimal(n).div(1_000_000)));
    fc.assert(
      fc.property(
        fc.array(anyPrice, { maxLength: 3 }),
        quantity,
        decimalText(50, 3),
        fc.constantFrom("EUR", "JPY", "KWD"),
        fc.record({ fee: fc.integer({ min: 0, max: 31 }), commit: fc.integer({ min: 0, max: 31 }) }),
        (prices, q, commit, currency, due) => {
          const terms = {
            version: 1,
            publishedAt: 0,
            publishedInVersion: 1,
            currency,
            recurringFee: "1.5",
            minimumCommit: commit,
            prices,
            limits: [],
          };
          const plan = { ref: { id: "p", version: 1 }, terms };
          const ours = chargeLines({ start: 0, end: 1 }, plan, () => new Decimal(q), { ...due, total: 31 });
          const theirs = charges(
            terms,
            prices.map(() => rational(q)),
            { ...due, all: 31 },
          );
          expect(
            ours.map((l) => [
              l.kind,
              [l.description[1], l.description[2]],
              l.amount.toFixed(4),
              l.arithmetic.map((s) => [
                s.note && [s.note[1], s.note[2]],
                printExact(s.quantity),
                printExact(s.unitAmount),
                printExact(s.amount),
              ]),
            ]),
          ).toEqual(
            theirs.map((c) => [
              c.kind,
              c.description,
              fixed(c.amount, 4),
              c.steps.map((s) => [s.note, plain(s.quantity), plain(s.unitAmount), plain(s.amount)]),
            ]),
          );
        },
      ),
      { numRuns: runs(300) },
    );
  });

  test("an invoice and its adjustments, over any rounds of lateness, up and down, are the invoice with full knowledge", () => {
    const quantity = fc.integer({ min: -200, max: 20_000 }).map((n) => new Decimal(n).div(100));
    const rounds = fc.array(fc.array(quantity, { minLength: 3, maxLength: 3 }), { minLength: 2, maxLength: 5 });
    const plan = fc.record({
      prices: fc.array(anyPrice, { minLength: 1, maxLength: 3 }),
      minimumCommit: decimalText(50, 3),
      currency: fc.constantFrom("EUR", "JPY", "KWD"),
    });
    const period = { start: 0, end: 1 };
    fc.assert(
      fc.property(plan, rounds, (bare, known) => {
        const terms = { ...bare, version: 1, publishedAt: 0, publishedInVersion: 1, recurringFee: "1.5", limits: [] };
        const ofPlan = { ref: { id: "p", version: 1 }, terms };
        const at = (round: number) => (of: PriceState) => known[round]?.[terms.prices.indexOf(of)] ?? ZERO;
        const invoiced = new Map<string, Invoiced>();
        const take = (lines: readonly InvoiceLine[]) => {
          for (const { identity, quantity, amount } of lines) {
            const so = invoiced.get(keyOf(identity)) ?? { quantity: ZERO, amount: ZERO };
            const sums = { quantity: so.quantity.plus(quantity), amount: so.amount.plus(amount) };
            invoiced.set(keyOf(identity), sums);
          }
        };
        take(chargeLines(period, ofPlan, at(0), EVERY_DAY));
        for (let round = 1; round < known.length; round += 1) {
          take(
            adjustmentLines({
              ...{ period, plan: ofPlan, invoiceId: "i", invoiceNumber: "I", version: 2, days: EVERY_DAY },
              ...{ quantityBefore: at(round - 1), quantityAfter: at(round), drawn: [] },
              invoiced: (identity) => invoiced.get(keyOf(identity)) ?? { quantity: ZERO, amount: ZERO },
            }),
          );
        }
        const last = known.at(-1) ?? [];
        const full = charges(
          terms,
          terms.prices.map((_, index) => rational((last[index] ?? ZERO).toFixed())),
          { all: 1, fee: 1, commit: 1 },
        );
        const total = [...invoiced.values()].reduce((sum, { amount }) => sum.plus(amount), ZERO);
        const expected = full.reduce((sum, { amount }) => sum.plus(fixed(amount, 4)), ZERO);
        expect(total.toFixed(4)).toBe(expected.toFixed(4));
        expect(
          [...invoiced.values()]
            .filter(({ amount }) => !amount.isZero())
            .map(({ amount }) => amount.toFixed(4))
            .sort(),
        ).toEqual(
          full
            .map(({ amount }) => fixed(amount, 4))
            .filter((amount) => Number(amount) !== 0)
            .sort(),
        );
        for (const line of chargeLines(period, ofPlan, at(known.length - 1), EVERY_DAY))
          expect(invoiced.get(keyOf(line.identity))?.quantity.toFixed()).toBe(line.quantity.toFixed());
      }),
      { numRuns: runs(300) },
    );
  });
});
