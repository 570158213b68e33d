import { expect, test } from "vitest";
import { MetrlyError } from "#kernel/errors.js";
import { MAX_REASONS, rejectIf } from "./reasons.js";

test("a refusal shows all reasons, of very many the first, and how many there are", () => {
  const reasons = Array.from({ length: MAX_REASONS + 1 }, (_, n) => ({ path: `prices[${n}]`, detail: "is wrong" }));
  const refusalOf = (count: number) => {
    try {
      rejectIf(reasons.slice(0, count));
      return undefined;
    } catch (error) {
      return error instanceof MetrlyError ? error : undefined;
    }
  };
  expect(refusalOf(0)).toBeUndefined();
  expect(refusalOf(1)?.message).toBe("prices[0]: is wrong");
  expect(refusalOf(MAX_REASONS)?.extensions.errors).toHaveLength(MAX_REASONS);
  expect(refusalOf(MAX_REASONS + 1)?.extensions.errors).toHaveLength(MAX_REASONS);
  expect(refusalOf(MAX_REASONS + 1)?.message).toBe("prices[0]: is wrong (and 100 more)");
});
