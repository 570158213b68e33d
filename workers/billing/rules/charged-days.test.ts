import fc from "fast-check";
import { expect, test } from "vitest";
import { DAY_MS, HOUR_MS } from "#kernel/duration.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import { countDays } from "../verifier/days.js";
import { at, planVersion, tenant } from "../world.testing.js";
import { chargedDays } from "./charged-days.js";

const JANUARY = { start: at("2026-01-01T00:00:00"), end: at("2026-02-01T00:00:00") };
const day = (n: number, hours = 0): number => JANUARY.start + (n - 1) * DAY_MS + hours * HOUR_MS;

/** Fee by the day, fee as a whole, commit; by both implementations. */
function daysOf(changes: Partial<TenantState>, version = 9): string {
  const life = tenant("acme", changes);
  const [daily, none] = (["DAILY", "NONE"] as const).map((proration) => {
    const days = chargedDays(life, JANUARY, proration, version);
    const plan = planVersion({ recurringFeeProration: proration });
    const verified = countDays(life, plan, JANUARY.start, JANUARY.end, version);
    expect(verified).toEqual({ all: days.total, fee: days.fee, commit: days.commit });
    return days;
  });
  return `${daily?.fee} ${none?.fee} ${none?.commit}`;
}
const closed = (closedAt: number) => ({ status: "CLOSED" as const, closedInVersion: 5, closedAt });
const pause = (from: number, until: number | null, endedInVersion: number | null = until === null ? null : 6) => ({
  billingPauses: [{ from, until, inVersion: 4, endedInVersion }],
});

test("by the day, a day begun is charged, at the beginning as at the end", () => {
  expect(daysOf({})).toBe("31 31 31");
  expect(daysOf({ beganAt: day(11) })).toBe("21 31 31");
  expect(daysOf({ beganAt: day(11, 23) })).toBe("21 31 31");
  expect(daysOf(closed(day(11)))).toBe("10 31 31");
  expect(daysOf(closed(day(11, 1)))).toBe("11 31 31");
  expect(daysOf({ ...closed(day(11, 2)), beganAt: day(11, 1) })).toBe("1 31 31");
  expect(daysOf({ beganAt: JANUARY.start - 20 * DAY_MS })).toBe("31 31 31");
  expect(daysOf(closed(JANUARY.end + 1))).toBe("31 31 31");
});

test("a suspension that pauses billing takes the days that it covers whole from fee and commit, whatever the plan", () => {
  expect(daysOf(pause(day(11), day(21)))).toBe("21 21 21");
  expect(daysOf(pause(day(11, 1), day(21, 23)))).toBe("22 22 22");
  expect(daysOf(pause(day(11, 1), day(11, 23)))).toBe("31 31 31");
  expect(daysOf(pause(JANUARY.start - DAY_MS, null))).toBe("0 0 0");
  expect(daysOf({ ...pause(day(21), null), beganAt: day(11) })).toBe("10 20 20");
});

test("what was not known yet at the period's end is ignored, so that its adjustments have its days", () => {
  expect(daysOf(closed(day(11)), 4)).toBe("31 31 31");
  expect(daysOf(pause(day(11), day(21)), 3)).toBe("31 31 31");
  expect(daysOf(pause(day(11), day(21)), 5)).toBe("10 10 10");
});

test("whatever pauses, beginning and end a tenant has, the days are those that the verifier counts", () => {
  // Around the month, often on the edge of a day.
  const moment = fc
    .tuple(fc.integer({ min: -2, max: 34 }), fc.constantFrom(-1, 0, 0, 1, 12 * HOUR_MS))
    .map(([n, ms]) => day(n) + ms);
  const versioned = fc.integer({ min: 1, max: 9 });
  const pauses = fc.array(
    fc.record({
      ...{ from: moment, until: fc.option(moment), inVersion: versioned },
      endedInVersion: fc.option(versioned),
    }),
    { maxLength: 3 },
  );
  const end = fc.record({ closedInVersion: fc.option(versioned), closedAt: fc.option(moment) });
  fc.assert(
    fc.property(
      pauses,
      end,
      fc.option(moment, { nil: undefined }),
      versioned,
      (billingPauses, closing, began, version) => {
        daysOf({ billingPauses, ...closing, ...(began !== undefined && { beganAt: began }) }, version);
      },
    ),
  );
});
