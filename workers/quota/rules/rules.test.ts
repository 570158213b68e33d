import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Decimal, formatDecimal } from "#kernel/decimal.js";
import { quotaExceededV1 } from "#schema/events/quota-exceeded.v1.js";
import { quotaWarningV1 } from "#schema/events/quota-warning.v1.js";
import type { PlanState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import { counterId, counterKey, type LimitInForce, limitsInForce } from "./limits.js";
import { fromUnits, SIGNIFICANT_DIGITS, scaleOf, unitsDown, unitsText, unitsUp } from "./scaling.js";
import { alertOf, crossings } from "./thresholds.js";
import { alignedStart } from "./windows.js";

const decimal = (text: string) => new Decimal(text);
/** Any quantity that an event or a plan may hold: up to 18 integer and 12 fractional digits. */
const quantity = fc
  .tuple(
    fc.bigInt({ min: 0n, max: 10n ** 18n - 1n }),
    fc.integer({ min: 0, max: 12 }),
    fc.bigInt({ min: 0n, max: 10n ** 12n - 1n }),
  )
  .map(([integer, digits, fraction]) => decimal(`${integer}.${String(fraction).padStart(12, "0").slice(0, digits)}0`));

describe("scaling", () => {
  test("limits and amounts are whole units: amounts never less, limits never more, both exact in a double", () => {
    fc.assert(
      fc.property(quantity, quantity, (limit, amount) => {
        const scale = scaleOf(limit);
        const down = unitsDown(limit, scale);
        expect(Number.isSafeInteger(down)).toBe(true);
        expect(String(down).length).toBeLessThanOrEqual(SIGNIFICANT_DIGITS + 1);
        expect(fromUnits(down, scale).lte(limit)).toBe(true);
        const up = unitsUp(amount, scale);
        expect(Number.isSafeInteger(up)).toBe(true);
        // Saturated or not: what is charged for an amount over the limit is over the limit.
        if (amount.gt(limit)) expect(up).toBeGreaterThan(down);
        if (amount.times(Decimal.pow(10, scale)).lte(1e15)) expect(fromUnits(up, scale).gte(amount)).toBe(true);
      }),
    );
  });

  test.each([
    ["10", 0],
    ["2.5", 1],
    ["0.001", 3],
    ["123456789012345.6", 0],
    ["123456789012345678", -3],
    ["0", 0],
  ])("the scale of %s is %i", (limit, scale) => {
    expect(scaleOf(decimal(limit))).toBe(scale);
  });

  test("units are written as the decimal that they are worth", () => {
    const units = fc.integer({ min: -(10 ** 15), max: 10 ** 15 });
    fc.assert(
      fc.property(units, fc.integer({ min: -3, max: 12 }), (n, scale) => {
        expect(unitsText(n, scale)).toBe(formatDecimal(fromUnits(n, scale)));
      }),
    );
  });

  test("a negative quantity is rounded up too, and zero is not negative", () => {
    expect(unitsUp(decimal("-1.5"), 0)).toBe(-1);
    expect(Object.is(unitsUp(decimal("-0.5"), 0), 0)).toBe(true);
  });
});

const limit = (changed: Partial<LimitInForce> = {}): LimitInForce => ({
  meter: "calls",
  window: "DAY",
  kind: "HARD",
  limit: decimal("10"),
  text: "10",
  warnAt: [decimal("0.5"), decimal("0.8")],
  counter: { meter: "calls", window: "DAY", scale: 0 },
  counterId: "calls|DAY|0",
  units: { most: 10, reached: 10, warnings: [5, 8] },
  ...changed,
});

describe("thresholds", () => {
  const crossed = (before: string, after: string, changed: Partial<LimitInForce> = {}) =>
    crossings(limit(changed), decimal(before), decimal(after)).map(({ threshold }) => threshold);

  test("each is crossed when usage reaches it, and a step that crosses several reports them in order", () => {
    expect(crossed("0", "4.9")).toEqual([]);
    expect(crossed("4.9", "5")).toEqual(["0.5"]);
    expect(crossed("5", "7")).toEqual([]);
    expect(crossed("0", "12")).toEqual(["0.5", "0.8", "1"]);
    expect(crossed("8", "8")).toEqual([]);
    expect(crossed("12", "3")).toEqual([]);
  });

  test("a warning above the limit, one at the limit, and a limit of zero", () => {
    expect(crossed("0", "15", { warnAt: [decimal("1"), decimal("1.2")] })).toEqual(["1", "1.2"]);
    expect(crossed("0", "0", { limit: decimal("0") })).toEqual([]);
    expect(crossed("0", "1", { limit: decimal("0") })).toEqual(["1"]);
    expect(crossed("1", "2", { limit: decimal("0") })).toEqual([]);
  });

  test("however usage is cut into rising steps, each threshold is crossed exactly once", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 6 }), { maxLength: 30 }), (steps) => {
        const crossed: string[] = [];
        let total = decimal("0");
        for (const step of steps) {
          const after = total.plus(step);
          crossed.push(...crossings(limit(), total, after).map(({ threshold }) => threshold));
          total = after;
        }
        const expected = ["0.5", "0.8", "1"].filter((threshold) => total.gte(decimal(threshold).times(10)));
        expect(crossed).toEqual(expected);
      }),
    );
  });

  test("alerts match their contracts and have an id that identifies the crossing", () => {
    const facts = {
      tenantId: "acme",
      planId: "pro",
      planVersion: 2,
      windowStart: Date.UTC(2026, 10, 1),
      used: decimal("8"),
      at: Date.UTC(2026, 10, 24),
    };
    const warning = alertOf({ ...facts, limit: limit() }, { kind: "warning", threshold: "0.8" });
    expect(quotaWarningV1.parse(JSON.parse(JSON.stringify(warning))).id).toBe(
      "acme:calls:DAY:pro@2:2026-11-01T00:00:00.000Z:0.8",
    );
    const raised = alertOf({ ...facts, limit: limit({ overriddenIn: 9 }) }, { kind: "warning", threshold: "0.8" });
    expect(raised.id).toBe("acme:calls:DAY:pro@2:2026-11-01T00:00:00.000Z:0.8:override@9");
    const requests = limit({ meter: null });
    const exceeded = alertOf({ ...facts, limit: requests }, { kind: "exceeded", threshold: "1" });
    expect(quotaExceededV1.parse(JSON.parse(JSON.stringify(exceeded))).id).toBe(
      "acme:requests:DAY:pro@2:2026-11-01T00:00:00.000Z:1",
    );
  });
});

describe("limits in force", () => {
  const plan = (id: string, limits: readonly string[]): PlanState => ({
    kind: "plan",
    id,
    version: 1,
    name: id,
    archived: false,
    versions: [
      {
        version: 1,
        publishedAt: 0,
        publishedInVersion: 1,
        currency: "EUR",
        recurringFee: "0",
        minimumCommit: "0",
        prices: [],
        limits: limits.map((text) => ({ meter: "calls", window: "DAY", kind: "HARD", limit: text, warnAt: ["0.8"] })),
      },
    ],
  });
  const november = Date.UTC(2026, 10, 1);
  const december = Date.UTC(2026, 11, 1);
  const assignment = { planVersion: 1, cancelledInVersion: null };
  const tenant: TenantState = {
    kind: "tenant",
    id: "acme",
    version: 5,
    name: "Acme",
    status: "ACTIVE",
    createdAt: 0,
    createdInVersion: 1,
    billingAnchorDay: 1,
    startsAt: november,
    currency: "EUR",
    testClock: null,
    graceDays: [{ days: 3, inVersion: 1 }],
    assignments: [
      { ...assignment, planId: "small", effectiveFrom: november, inVersion: 2 },
      { ...assignment, planId: "large", effectiveFrom: december, inVersion: 5 },
    ],
    closedInVersion: null,
  };
  const plans = new Map([plan("small", ["10"]), plan("large", ["100", "2.5"])].map((one) => [one.id, one]));
  const at = (ms: number, version: number) => {
    const found = limitsInForce(tenant, (id) => plans.get(id), ms, version);
    return found?.limits.map((one) => formatDecimal(one.limit));
  };

  test("an override stands in for the plan's limit from its version on and until its end, on the same counter", () => {
    const terms = { meter: "calls", window: "DAY", reason: "a launch" } as const;
    const helped: TenantState = {
      ...tenant,
      quotaOverrides: [
        { ...terms, limit: "20.5", until: november + 100, inVersion: 3 },
        { ...terms, limit: "30", until: november + 50, inVersion: 4 },
      ],
    };
    const limitAt = (ms: number, version: number) =>
      limitsInForce(helped, (id) => plans.get(id), ms, version)?.limits.map((one) => ({
        limit: formatDecimal(one.limit),
        counter: counterId(one.counter),
      }));
    const counter = "calls|DAY|0";
    expect(limitAt(november, 2)).toEqual([{ limit: "10", counter }]);
    expect(limitAt(november, 3)).toEqual([{ limit: "20.5", counter }]);
    expect(limitAt(november, 4)).toEqual([{ limit: "30", counter }]);
    expect(limitAt(november + 50, 4)).toEqual([{ limit: "10", counter }]);
    expect(limitAt(november + 100, 3)).toEqual([{ limit: "10", counter }]);
  });

  test("a changed plan's limits hold from its period on, never with the old ones and never with none", () => {
    expect(at(december - 1, 5)).toEqual(["10"]);
    expect(at(december, 5)).toEqual(["100", "2.5"]);
    expect(at(december, 4)).toEqual(["10"]);
    expect(at(november, 1)).toBeUndefined();
  });

  test("each scale of a limit has its own counter", () => {
    const limits = limitsInForce(tenant, (id) => plans.get(id), december, 5)?.limits ?? [];
    expect(limits.map((one) => counterId(one.counter))).toEqual(["calls|DAY|0", "calls|DAY|1"]);
    expect(limits.map((one) => counterKey(counterId(one.counter)))).toEqual(limits.map((one) => one.counter));
  });

  test("aligned windows begin at the UTC second, minute, hour, day, or the billing period", () => {
    const now = Date.UTC(2026, 10, 24, 6, 23, 28, 345);
    expect(
      (["SECOND", "MINUTE", "HOUR", "DAY", "BILLING_PERIOD"] as const).map((window) =>
        new Date(alignedStart(window, now, 15)).toISOString(),
      ),
    ).toEqual([
      "2026-11-24T06:23:28.000Z",
      "2026-11-24T06:23:00.000Z",
      "2026-11-24T06:00:00.000Z",
      "2026-11-24T00:00:00.000Z",
      "2026-11-15T00:00:00.000Z",
    ]);
  });
});
