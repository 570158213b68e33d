import { invoice, story } from "../story.js";
import type { Case } from "./case.js";

const TIERS = [
  { upTo: "5", unitAmount: "7", flatAmount: "1" },
  { upTo: "10", unitAmount: "6.5", flatAmount: "2" },
  { unitAmount: "6" },
];

/** One price, a quantity, the amount by hand, and amounts that likely mistakes give. */
const TABLE: readonly (readonly [object, string, string, ...string[]])[] = [
  [{ model: "FLAT", unitAmount: "9.99" }, "12", "9.99", "119.88"],
  [{ model: "FLAT", unitAmount: "9.99" }, "0", "9.99", "0.00"],
  // 0.005 is rounded up.
  [{ model: "PER_UNIT", unitAmount: "0.005" }, "1", "0.01", "0.00"],
  [{ model: "PER_UNIT", unitAmount: "0.0035", included: "100" }, "1000", "3.15", "3.50"],
  // A third of 0.015 is 0.005 exactly, which no decimal of a third gives.
  [{ model: "PER_UNIT", unitAmount: "0.015", divideBy: "3" }, "1", "0.01", "0.00"],
  [{ model: "PER_UNIT", unitAmount: "10", divideBy: "5", roundUp: true }, "6", "20.00", "12.00"],
  // 5 x 7 + 1 + 1 x 6.5 + 2; the limit of a tier is in it.
  [{ model: "GRADUATED", tiers: TIERS }, "6", "44.50", "42.50", "41.00"],
  [{ model: "GRADUATED", tiers: TIERS }, "5", "36.00", "38.00"],
  [{ model: "GRADUATED", tiers: TIERS }, "0", "1.00", "0.00"],
  [{ model: "VOLUME", tiers: TIERS }, "6", "41.00", "44.50", "43.00"],
  [{ model: "VOLUME", tiers: TIERS }, "5", "36.00", "34.50"],
  [{ model: "PACKAGE", unitAmount: "5", packageSize: "100", included: "100" }, "201", "10.00", "15.00", "5.05"],
  [{ model: "PERCENTAGE", ratePercent: "2.9" }, "0.5", "0.01", "0.02", "1.45"],
  // 0.234567 x 3 less 10 % is 0.6333309; raised to 2, capped at 50.
  [
    {
      model: "PER_UNIT",
      unitAmount: "3",
      divideBy: "1000000",
      included: "1",
      discountPercent: "10",
      minimumAmount: "2",
      maximumAmount: "50",
    },
    "1234567",
    "2.00",
    "0.63",
  ],
  [
    {
      model: "PER_UNIT",
      unitAmount: "3",
      divideBy: "1000000",
      included: "1",
      discountPercent: "10",
      minimumAmount: "2",
      maximumAmount: "50",
    },
    "100000000",
    "50.00",
    "267.30",
  ],
  // The discount comes before the minimum.
  [{ model: "PER_UNIT", unitAmount: "1", discountPercent: "50", minimumAmount: "8" }, "10", "8.00", "5.00", "4.00"],
];

function invoiced(price: object, quantity: string, amount: string) {
  return story()
    .add("createMeter", { key: "m", aggregation: "SUM", eventType: "call", valueProperty: "n" })
    .add("createPlan", { id: "p", version: { currency: "EUR", prices: [{ meter: "m", ...price }] } })
    .add("createTenant", { id: "t", planId: "p", testClock: "2026-01-10T00:00:00Z" })
    .events([{ id: "1", type: "call", time: "2026-01-05T00:00:00Z", data: { n: quantity } }])
    .advance("2026-02-10T00:00:00Z")
    .add("invoices", { tenantId: "t" }, [
      invoice(1, "2026-01-01T00:00:00Z", amount, [{ meter: "m", quantity, amount }]),
    ]).lines;
}

export const PRICES: readonly Case[] = TABLE.flatMap(([price, quantity, amount, ...wrong]) => [
  {
    name: `${JSON.stringify(price)} x ${quantity} = ${amount}`,
    lines: invoiced(price, quantity, amount),
    checks: ["amount of a line"],
  },
  ...wrong.map((other) => ({
    name: `${JSON.stringify(price)} x ${quantity} = ${other}`,
    lines: invoiced(price, quantity, other),
    refusedBy: ["amount of a line"],
  })),
]);
