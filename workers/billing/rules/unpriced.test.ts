import { expect, test } from "vitest";
import { Decimal } from "#kernel/decimal.js";
import type { MeterState } from "#schema/events/tenancy-changed.v1.js";
import { meter, price } from "../world.testing.js";
import { collectUnpriced, MAX_UNPRICED_BYTES, MAX_UNPRICED_COMBINATIONS } from "./unpriced.js";
import { cellsOf, type UsageCell } from "./usage.js";

const tokens = meter("tokens", { aggregation: "SUM", valueProperty: "n", dimensions: ["model", "region"] });
const other = meter("other");
const cell = (model: string, quantity: number, eventCount = 1, key = "tokens"): UsageCell => ({
  ...{ meter: key, dimensions: key === "tokens" ? [model, "eu"] : [], value: "", dominatedCount: 0, lastEventAt: 0 },
  ...{ quantity: new Decimal(quantity), eventCount },
});
const large = price({
  ...{ meter: "tokens", model: "PER_UNIT", unitAmount: "1" },
  where: [{ dimension: "model", value: "large" }],
});
const rest = price({ meter: "tokens", model: "PER_UNIT", unitAmount: "2", catchAll: true });
function unpricedUsage(prices: (typeof large)[], meters: readonly MeterState[], cells: readonly UsageCell[]) {
  const unpriced = collectUnpriced(prices);
  for (const of of meters)
    unpriced.take(
      of,
      cells.filter((one) => one.meter === of.id),
    );
  return unpriced.found;
}
const brief = (prices: (typeof large)[], cells: UsageCell[]) =>
  unpricedUsage(prices, [other, tokens], cells).map(
    ({ meter: key, dimensions, quantity, eventCount, reason }) =>
      `${key} ${dimensions.map(({ value }) => value)} ${quantity} ${eventCount} ${reason}`,
  );

test("names what no price claims, by combination, and a meter without a price as a whole", () => {
  const cells = [cell("large", 100), cell("new", 70), cell("Large", 5, 2), cell("", 9, 3, "other")];
  expect(brief([large], cells)).toEqual([
    "other  9 3 NO_PRICE_FOR_METER",
    "tokens Large,eu 5 2 NO_PRICE_FOR_DIMENSIONS",
    "tokens new,eu 70 1 NO_PRICE_FOR_DIMENSIONS",
  ]);
});

test("a catch-all price claims exactly what the others leave, and then nothing is unpriced", () => {
  const cells = [cell("large", 100), cell("new", 70), cell("Large", 5)];
  expect(cellsOf(rest, [large, rest], tokens, cells).map(({ quantity }) => quantity.toNumber())).toEqual([70, 5]);
  expect(cellsOf(rest, [rest], tokens, cells)).toHaveLength(3);
  expect(brief([large, rest], cells)).toEqual([]);
});

test("a meter of distinct values has a cell for each, and costs by their number", () => {
  const users = meter("users", { aggregation: "UNIQUE", valueProperty: "u", dimensions: ["model"] });
  const cells = Array.from({ length: 100_000 }, (_, n) => ({
    ...cell("x", 0, 1, "users"),
    dimensions: ["new"],
    value: `${n}`,
  }));
  const only = price({
    meter: "users",
    model: "PER_UNIT",
    unitAmount: "1",
    where: [{ dimension: "model", value: "old" }],
  });
  const [found, ...others] = unpricedUsage([only], [users], cells);
  expect(others).toEqual([]);
  expect(found).toMatchObject({ eventCount: cells.length, reason: "NO_PRICE_FOR_DIMENSIONS" });
  expect(found?.quantity.toNumber()).toBe(cells.length);
});

test("usage that was voided to the last event is not there", () => {
  expect(brief([large], [cell("new", 0, 0)])).toEqual([]);
});

test("more combinations than are shown one by one are one", () => {
  const many = Array.from({ length: MAX_UNPRICED_COMBINATIONS + 1 }, (_, n) => cell(`m${n}`, 2));
  expect(brief([large], many.slice(1))).toHaveLength(MAX_UNPRICED_COMBINATIONS);
  expect(brief([large], many)).toEqual([`tokens  ${2 * many.length} ${many.length} NO_PRICE_FOR_DIMENSIONS`]);
});

test("combinations of all meters are at most so many bytes of JSON: those of the meters for which none are left are one each", () => {
  const meters = Array.from({ length: 100 }, (_, n) => meter(`m${100 + n}`, { dimensions: ["region", "model"] }));
  const prices = meters.map(({ id }) =>
    price({ meter: id, model: "PER_UNIT", unitAmount: "1", where: [{ dimension: "region", value: "eu" }] }),
  );
  // Each character is six in JSON.
  const values = Array.from({ length: 200 }, (_, n) => `${"\u0001".repeat(120)}${n}`);
  const cells = meters.flatMap(({ id }) =>
    values.map((value) => ({ ...cell("", 1), meter: id, dimensions: ["us", value] })),
  );
  const entries = unpricedUsage(prices, meters, cells);
  const shown = entries.filter(({ dimensions }) => dimensions.length > 0);
  expect(Buffer.byteLength(JSON.stringify(shown))).toBeLessThan(MAX_UNPRICED_BYTES);
  expect(Buffer.byteLength(JSON.stringify(shown))).toBeGreaterThan(MAX_UNPRICED_BYTES / 2);
  expect(new Set(entries.map(({ meter: key }) => key)).size).toBe(100);
  expect(entries.reduce((sum, { eventCount }) => sum + eventCount, 0)).toBe(cells.length);
});
