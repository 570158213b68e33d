import { expect, test } from "vitest";
import { stepText } from "./invoices.js";

const step = (quantity: string, unitAmount: string, flatAmount: string, amount: string, note: string | null) =>
  stepText({ quantity, unitAmount, flatAmount, amount, note });

test("a step of an invoice's line is shown as its arithmetic", () => {
  expect(step("40", "1", "10", "50", "0 to 40")).toBe("40 x 1 + 10 = 50 (0 to 40)");
  expect(step("7.4", "2", "0", "14.8", null)).toBe("7.4 x 2 = 14.8");
});

test("a step that only converts the quantity has no price that would look free", () => {
  expect(step("8.4", "0", "0", "0", "divided by 1000000")).toBe("8.4 (divided by 1000000)");
  expect(step("9", "0", "0", "0", "divided by 1000, rounded up")).toBe("9 (divided by 1000, rounded up)");
});
