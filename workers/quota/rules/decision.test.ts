import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Decimal } from "#kernel/decimal.js";
import { DAY_MS, HOUR_MS } from "#kernel/duration.js";
import type { LimitKind } from "#schema/vocabulary.js";
import type { CounterReading } from "../counters/counters.js";
import { amountOf } from "./amount.js";
import { amountsOf, explain, explanationOf, LIMIT_STATES, readLimit } from "./decision.js";
import type { LimitInForce, LimitsInForce } from "./limits.js";

const NOW = Date.UTC(2026, 10, 20);
const units = (text: string): bigint => amountOf(new Decimal(text));

const limit = (text: string, kind: LimitKind = "HARD"): LimitInForce => ({
  meter: "calls",
  window: "DAY",
  kind,
  limit: new Decimal(text),
  text,
  warnAt: [new Decimal("0.8")],
  counter: { meter: "calls", window: "DAY" },
  counterId: "calls|DAY",
  meterArchived: false,
  units: { most: units(text), warnings: [units(text) - units(text) / 5n] },
});
const inForce: LimitsInForce = {
  ...{ planId: "pro", planVersion: 1, limits: [] },
  period: { start: Date.UTC(2026, 10, 1), end: Date.UTC(2026, 11, 1) },
};
const reading = (changed: Partial<CounterReading> = {}): CounterReading => ({
  ...{ used: 0n, reserved: 0n, lost: 0n, blockedUntil: 0, resetAt: NOW, denies: false },
  ...changed,
});

describe("the reading of a limit", () => {
  test("remains what is neither used nor reserved: more than the limit after negative usage, never less than nothing", () => {
    const amount = fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n });
    fc.assert(
      fc.property(amount, fc.bigInt({ min: 0n, max: 10n ** 30n }), (used, reserved) => {
        const { remaining } = readLimit(limit("1000"), reading({ used, reserved }), NOW);
        const left = units("1000") - used - reserved;
        expect(remaining).toBe(left > 0n ? left : 0n);
      }),
    );
    const credited = readLimit(limit("1000"), reading({ used: units("-500") }), NOW);
    expect(amountsOf(credited)).toEqual({ used: "-500", reserved: "0", remaining: "1500" });
  });

  test.each<[string, LimitInForce, Partial<CounterReading>, string]>([
    ["OK below the first warning", limit("10"), { used: units("7.999999999999") }, "OK"],
    ["WARNING from it on", limit("10"), { used: units("7"), reserved: units("1") }, "WARNING"],
    ["EXCEEDED at the limit", limit("10"), { used: units("10") }, "EXCEEDED"],
    ["OK at an unused limit of 0", limit("0"), {}, "OK"],
    ["EXCEEDED above a limit of 0", limit("0"), { used: 1n }, "EXCEEDED"],
    [
      "REBUILDING while a hard limit's counter is not trustworthy",
      limit("10"),
      { blockedUntil: NOW + 1 },
      "REBUILDING",
    ],
    ["DEGRADED while a soft limit's is not", limit("10", "SOFT"), { blockedUntil: NOW + 1 }, "DEGRADED"],
    [
      "REBUILDING where only what a loss may have hidden fills it",
      limit("10"),
      { reserved: units("10"), lost: units("9") },
      "REBUILDING",
    ],
    ["OK where a loss hid little", limit("10"), { used: units("4"), reserved: units("4"), lost: units("4") }, "OK"],
    ["OK where a soft limit's would", limit("10", "SOFT"), { reserved: units("10"), lost: units("9") }, "OK"],
    ["EXCEEDED where it is full without", limit("10"), { used: units("10"), reserved: 5n, lost: 5n }, "EXCEEDED"],
  ])("is %s", (_, of, changed, state) => {
    expect(readLimit(of, reading(changed), NOW).state).toBe(state);
  });
});

describe("the window of a reading", () => {
  test("is as long as its name says and ends now, or is the billing period", () => {
    const day = readLimit(limit("10"), reading({ resetAt: NOW + 7 }), NOW);
    expect(day).toMatchObject({ windowMs: DAY_MS, windowStart: NOW - DAY_MS, resetAt: NOW + 7 });
    const monthly = { ...limit("10"), window: "BILLING_PERIOD", bounds: inForce.period } as const;
    expect(readLimit(monthly, reading(), NOW)).toMatchObject({
      ...{ windowMs: 30 * DAY_MS, windowStart: inForce.period.start, resetAt: NOW },
    });
    expect(() => readLimit({ ...limit("10"), window: "BILLING_PERIOD" }, reading(), NOW)).toThrow(
      "a BILLING_PERIOD without bounds",
    );
  });

  test("has the dates of the calendar where it is one of it", () => {
    const bounds = { start: NOW - 7, end: NOW - 7 + 23 * HOUR_MS };
    const daily = { ...limit("10"), window: "CALENDAR_DAY", bounds } as const;
    expect(readLimit(daily, reading(), NOW)).toMatchObject({ windowMs: 23 * HOUR_MS, windowStart: NOW - 7 });
  });

  test("ends no earlier than a hard limit that a loss blocks, which has no room until then", () => {
    const lost = { used: units("4"), blockedUntil: NOW + 9, resetAt: NOW + 7 };
    expect(readLimit(limit("10"), reading(lost), NOW)).toMatchObject({ resetAt: NOW + 9, remaining: 0n });
    expect(readLimit(limit("10", "SOFT"), reading(lost), NOW).remaining).toBe(units("6"));
    const over = readLimit(limit("10"), reading({ ...lost, blockedUntil: NOW }), NOW);
    expect(over).toMatchObject({ remaining: units("6"), state: "OK" });
  });

  test("denies what does not fit into a hard limit whose counter denied it", () => {
    const denies = (of: LimitInForce, changed: Partial<CounterReading>, charged?: string) =>
      readLimit(of, reading(changed), NOW, charged === undefined ? undefined : units(charged)).denies;
    const full = { used: units("8"), denies: true };
    expect([denies(limit("10"), full, "2"), denies(limit("10"), full, "2.1")]).toEqual([false, true]);
    expect(denies(limit("10"), { ...full, denies: false }, "2.1")).toBe(false);
    expect(denies(limit("10", "SOFT"), full, "2.1")).toBe(false);
    expect(denies(limit("10"), full)).toBe(false);
    expect(denies(limit("10"), { ...full, blockedUntil: NOW + 1 })).toBe(false);
    expect(denies(limit("10"), { ...full, blockedUntil: NOW + 1 }, "0.1")).toBe(true);
  });

  test("warns from the lowest of its warnings on", () => {
    const two = { ...limit("10"), units: { most: units("10"), warnings: [units("5"), units("8")] } };
    expect(readLimit(two, reading({ used: units("6") }), NOW).state).toBe("WARNING");
  });
});

test("every state and every reason has its name", () => {
  expect(LIMIT_STATES).toEqual(["OK", "WARNING", "EXCEEDED", "REBUILDING", "DEGRADED"]);
  expect(explanationOf("TENANT_CLOSED")).toBe("Denied: the tenant is closed");
  expect(explanationOf("of a newer version")).toBe("of a newer version");
});

describe("a decision", () => {
  const decide = (
    of: LimitInForce,
    charged: string,
    changed: Partial<CounterReading>,
    { retryAt = null, deniedByLoss = false }: { retryAt?: number | null; deniedByLoss?: boolean } = {},
  ) => {
    const read = reading(changed);
    const verdict = { allowed: !read.denies, now: NOW, expiresAt: null, retryAt, deniedByLoss };
    return explain(verdict, inForce, [{ limit: of, charged: units(charged), reading: read }]);
  };

  test("within limits is allowed, and beyond a soft one too", () => {
    expect(decide(limit("10"), "4", { used: units("10") })).toMatchObject({ allowed: true, reason: "WITHIN_LIMITS" });
    const beyond = { used: units("10.000000000001") };
    expect(decide(limit("10", "SOFT"), "4", beyond).reason).toBe("SOFT_LIMIT_EXCEEDED");
    expect(decide(limit("10", "SOFT"), "4", { blockedUntil: NOW + 1 }).reason).toBe("DEGRADED");
    expect(decide(limit("10", "SOFT"), "4", { reserved: units("11"), lost: units("11") }).reason).toBe("WITHIN_LIMITS");
  });

  test("is denied for what takes its room, and is told when to retry only where waiting helps", () => {
    const full = { used: units("8"), denies: true };
    expect(decide(limit("10"), "2.5", full, { retryAt: NOW + 5 })).toMatchObject({
      ...{ allowed: false, reason: "LIMIT_EXCEEDED", retryAt: NOW + 5 },
      limits: [{ denies: true }],
    });
    expect(decide(limit("10"), "10.000000000001", { denies: true })).toMatchObject({
      ...{ reason: "AMOUNT_EXCEEDS_LIMIT", retryAt: null },
    });
    expect(decide(limit("0"), "0.000001", { denies: true }).reason).toBe("AMOUNT_EXCEEDS_LIMIT");
    expect(decide(limit("10"), "1", { denies: true, blockedUntil: NOW + 1 }).reason).toBe("COUNTER_REBUILDING");
    const hidden = { reserved: units("10"), lost: units("10"), denies: true };
    expect(decide(limit("10"), "1", hidden, { deniedByLoss: true }).reason).toBe("COUNTER_REBUILDING");
    expect(decide(limit("10"), "11", hidden).reason).toBe("AMOUNT_EXCEEDS_LIMIT");
  });

  test("names the plan, and when what it reserved expires; one that allows has nothing to wait for", () => {
    const asked = [{ limit: limit("10"), charged: units("11"), reading: reading() }];
    const allowed = { allowed: true, now: NOW, expiresAt: NOW + 9, retryAt: NOW + 5, deniedByLoss: false };
    expect(explain(allowed, inForce, asked)).toMatchObject({
      ...{ plan: { id: "pro", version: 1 }, now: NOW, expiresAt: NOW + 9, retryAt: null },
      limits: [{ denies: false }],
    });
  });

  test("is explained by the limits that deny, not by others that have no room or were lost", () => {
    const denied = { allowed: false, now: NOW, expiresAt: null, retryAt: null, deniedByLoss: false };
    const full = { limit: limit("10"), charged: units("1"), reading: reading({ used: units("10"), denies: true }) };
    const small = { limit: limit("0.5", "SOFT"), charged: units("1"), reading: reading({ denies: true }) };
    const lost = { ...small, reading: reading({ blockedUntil: NOW + 1, denies: true }) };
    const reasonOf = (...asked: Parameters<typeof explain>[2]) => explain(denied, inForce, asked).reason;
    expect([reasonOf(full, small), reasonOf(full, lost)]).toEqual(["LIMIT_EXCEEDED", "LIMIT_EXCEEDED"]);
    const rebuilding = { ...full, reading: reading({ blockedUntil: NOW + 1, denies: true }) };
    const tight = { ...full, limit: limit("0.5"), reading: reading({ denies: true }) };
    expect(reasonOf(full, rebuilding)).toBe("COUNTER_REBUILDING");
    expect(reasonOf(full, tight)).toBe("AMOUNT_EXCEEDS_LIMIT");
    const again = { ...full, reading: reading({ used: units("10"), denies: true, blockedUntil: NOW }) };
    expect(reasonOf(again)).toBe("LIMIT_EXCEEDED");
  });

  test("allows with the reason of any of its limits", () => {
    const allowed = { allowed: true, now: NOW, expiresAt: null, retryAt: null, deniedByLoss: false };
    const free = { limit: limit("10"), charged: units("1"), reading: reading() };
    const beyond = { limit: limit("10", "SOFT"), charged: units("1"), reading: reading({ used: units("11") }) };
    const lost = { ...beyond, reading: reading({ used: units("11"), blockedUntil: NOW + 1 }) };
    const reasonOf = (...asked: Parameters<typeof explain>[2]) => explain(allowed, inForce, asked).reason;
    expect([reasonOf(free, beyond), reasonOf(free, beyond, lost)]).toEqual(["SOFT_LIMIT_EXCEEDED", "DEGRADED"]);
    const held = { ...beyond, reading: reading({ used: units("5"), reserved: units("6") }) };
    expect(reasonOf(held)).toBe("SOFT_LIMIT_EXCEEDED");
  });

  test("an amount is too large only for a limit that negative usage has not widened", () => {
    const credited = { used: units("-500"), reserved: units("400"), denies: true };
    expect(decide(limit("1000"), "1200", credited).reason).toBe("LIMIT_EXCEEDED");
    expect(decide(limit("1000"), "1600", credited).reason).toBe("AMOUNT_EXCEEDS_LIMIT");
    expect(decide(limit("1000"), "1500", credited).reason).toBe("LIMIT_EXCEEDED");
    expect(decide(limit("10"), "10", { used: 1n, denies: true }).reason, "as large as the limit").toBe(
      "LIMIT_EXCEEDED",
    );
  });
});
