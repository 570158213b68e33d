import fc from "fast-check";
import { expect, test } from "vitest";
import { Decimal, formatDecimal, sumDecimals } from "#kernel/decimal.js";
import type { MeterState, PlanVersionState, PriceState } from "#schema/events/tenancy-changed.v1.js";
import { PRICE_MODELS } from "#schema/vocabulary.js";
import { anyPrice, PRICE_GRID } from "../../../schema/rating/prices.testing.js";
import { EVERY_DAY } from "../../../workers/billing/rules/charged-days.js";
import { chargeLines } from "../../../workers/billing/rules/invoice-lines.js";
import { cellsOf, quantityOf, type UsageCell } from "../../../workers/billing/rules/usage.js";
import { pricedUsageOf } from "../../../workers/quota/rules/money.js";
import { isWithin } from "../../../workers/quota/rules/scopes.js";
import { runs } from "../../support/effort.js";

const tokens: MeterState = {
  ...{ kind: "meter", id: "tokens", version: 1, name: "Tokens", eventType: "tokens", aggregation: "SUM" },
  ...{ valueProperty: "n", dimensions: ["region", "model"], unit: null, createdInVersion: 1, archivedInVersion: null },
};
const MODELS = ["large", "small", "tiny", ""] as const;
const REGIONS = ["eu", "us"] as const;

const price = fc.constantFrom(...PRICE_MODELS).chain(anyPrice);
/** One price for all, or prices that name a model, one of them in a region, with or without a price for the rest. */
const prices: fc.Arbitrary<PriceState[]> = fc.oneof(
  price.map((one) => [one]),
  fc
    .record({ large: price, small: price, rest: fc.option(price), inEurope: fc.boolean() })
    .map(({ large, small, rest, inEurope }) => [
      { ...large, where: [{ dimension: "model", value: "large" }] },
      {
        ...small,
        where: [{ dimension: "model", value: "small" }, ...(inEurope ? [{ dimension: "region", value: "eu" }] : [])],
      },
      ...(rest === null ? [] : [{ ...rest, catchAll: true }]),
    ]),
);
const usage = fc.array(
  fc.record({
    model: fc.constantFrom(...MODELS),
    region: fc.constantFrom(...REGIONS),
    n: fc.integer({ min: -8, max: 40 }).map((n) => new Decimal(n).div(PRICE_GRID)),
  }),
  { maxLength: 12 },
);

test("quota rates usage as invoices and their previews do, line by line, whatever the prices", () => {
  fc.assert(
    fc.property(prices, usage, fc.constantFrom("EUR", "JPY", "KWD"), (all, events, currency) => {
      const terms: PlanVersionState = {
        ...{ version: 1, publishedAt: 0, publishedInVersion: 1, currency, recurringFee: "7", minimumCommit: "99" },
        ...{ prices: all, limits: [] },
      };
      const inQuota = pricedUsageOf(terms).lines.map((line) => {
        const own = events.filter(
          ({ model, region }) =>
            line.scope === undefined ||
            isWithin(
              line.scope,
              new Map([
                ["model", model],
                ["region", region],
              ]),
            ) === true,
        );
        return line.amountOf(sumDecimals(own.map(({ n }) => n)));
      });

      const cells = events.map(
        ({ model, region, n }): UsageCell => ({
          ...{ meter: "tokens", dimensions: [region, model], value: "", quantity: n },
          ...{ eventCount: 1, dominatedCount: 0, lastEventAt: 0 },
        }),
      );
      const quantity = (one: PriceState) => quantityOf("SUM", cellsOf(one, all, tokens, cells));
      const plan = { ref: { id: "p", version: 1 }, terms };
      const invoiced = chargeLines({ start: 0, end: 1 }, plan, quantity, EVERY_DAY);
      const lines = invoiced.filter(({ kind }) => kind === "USAGE").map(({ amount }) => formatDecimal(amount));
      expect(inQuota.map(formatDecimal)).toEqual(lines);
    }),
    { numRuns: runs(300) },
  );
});
