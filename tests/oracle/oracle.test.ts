import { expect, test } from "vitest";
import { amount, money, plain } from "./amounts.js";
import { type AcknowledgedEvent, distinctEvents, expectedInvoice } from "./oracle.js";

const event = (id: string, timeMs: number, tokens: string): AcknowledgedEvent => ({
  tenantId: "t",
  source: "s",
  id,
  type: "completion",
  timeMs,
  data: { tokens },
});

test("an invoice computed by hand", () => {
  const events = distinctEvents([
    event("a", 0, "700.5"),
    event("a", 0, "700.5"),
    event("b", 99, "1000"),
    event("c", 100, "5"),
  ]);
  const meters = [
    { key: "calls", eventType: "completion", aggregation: "COUNT" },
    { key: "tokens", eventType: "completion", aggregation: "SUM", valueProperty: "tokens" },
  ] as const;
  const plan = {
    recurringFee: "10",
    currencyDigits: 2,
    prices: [
      { meter: "calls", model: "PER_UNIT", included: "1", unitAmount: "0.125" },
      {
        meter: "tokens",
        model: "GRADUATED",
        tiers: [
          { upTo: "1000", unitAmount: "0.01", flatAmount: "1" },
          { upTo: null, unitAmount: "0.001", flatAmount: "0.5" },
        ],
      },
    ],
  } as const;
  // Calls: (2 - 1) x 0.125 = 0.125 -> 0.13. Tokens: 1000 x 0.01 + 1 + 700.5 x 0.001 + 0.5 = 12.2005 -> 12.20.
  expect(expectedInvoice(events, "t", meters, plan, 0, 100)).toEqual({
    recurring: "10.00",
    usage: [
      { meter: "calls", quantity: amount("2"), amount: "0.13" },
      { meter: "tokens", quantity: amount("1700.5"), amount: "12.20" },
    ],
    total: "22.33",
  });
});

test("amounts round half away from zero and print canonically", () => {
  expect([money(amount("0.005"), 2), money(amount("-0.005"), 2), money(amount("-0.004"), 2)]).toEqual([
    "0.01",
    "-0.01",
    "0.00",
  ]);
  expect([plain(amount("10.500")), plain(amount("100")), plain(0n)]).toEqual(["10.5", "100", "0"]);
});
