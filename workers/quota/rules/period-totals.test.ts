import fc from "fast-check";
import { expect, test } from "vitest";
import { Decimal } from "#kernel/decimal.js";
import { DAY_MS } from "#kernel/duration.js";
import { totalsOfPeriods } from "./period-totals.js";
import { periodOf } from "./windows.js";

const TENANT = { billingAnchorDay: 15, timeZone: "America/New_York" };
const OCTOBER = Date.UTC(2026, 9, 1, 12);

test("a window's total is the sum of its own meter's totals of the grain that it is made of, exactly", () => {
  const stored = fc.record({
    meter: fc.constantFrom("calls", "tokens"),
    grain: fc.constantFrom("CALENDAR_DAY", "BILLING_PERIOD", "DAY"),
    day: fc.integer({ min: 0, max: 70 }),
    units: fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }),
  });
  const window = fc.constantFrom("CALENDAR_DAY", "CALENDAR_WEEK", "CALENDAR_MONTH", "BILLING_PERIOD");
  fc.assert(
    fc.property(window, fc.array(stored, { maxLength: 40 }), (asked, rows) => {
      const startOf = (day: number) =>
        periodOf(asked === "BILLING_PERIOD" ? asked : "CALENDAR_DAY", OCTOBER + day * DAY_MS, TENANT).start;
      const totals = rows.map(({ day, units, ...of }) => {
        return { ...of, bucketStart: startOf(day), total: new Decimal(String(units)).div("1e12") };
      });
      const bySeries = new Map(
        ["calls", "tokens"].map((meter) => [meter, totals.filter((total) => total.meter === meter)]),
      );
      const grain = asked === "BILLING_PERIOD" ? asked : "CALENDAR_DAY";
      const expected: Record<number, bigint> = {};
      for (const { day, units, ...of } of rows) {
        if (of.meter !== "calls" || of.grain !== grain) continue;
        const { start } = periodOf(asked, OCTOBER + day * DAY_MS, TENANT);
        expected[start] = (expected[start] ?? 0n) + units;
      }
      const sums = [...totalsOfPeriods("calls", asked, { totals: bySeries, claimed: new Map() }, TENANT)];
      expect(Object.fromEntries(sums.map(([start, total]) => [start, total.times("1e12").toFixed()]))).toEqual(
        Object.fromEntries(Object.entries(expected).map(([start, total]) => [start, String(total)])),
      );
    }),
  );
});
