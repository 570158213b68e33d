import { expect, test } from "vitest";
import { DAY_MS } from "#kernel/duration.js";
import type { QuotaLimitState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import { MAX_OVERRIDES, type OverrideTerms, overrideReasons, withOverride } from "./quota-override.js";

const NOW = Date.UTC(2026, 10, 15);
const override = (until: number): OverrideTerms => ({
  ...{ meter: "calls", window: "DAY", limit: "1", reason: "a launch", until },
});

test("a tenant has at most 200 overrides; those that ended 40 days ago make room", () => {
  const full = (until: number) =>
    ({
      testClock: null,
      quotaOverrides: Array.from({ length: MAX_OVERRIDES }, () => ({ ...override(until), inVersion: 1 })),
    }) as unknown as TenantState;
  const more = (until: number) => withOverride(full(until), override(NOW + DAY_MS), NOW, 2);
  expect(() => more(NOW)).toThrow(
    expect.objectContaining({ code: "CONFLICT", message: "A tenant has at most 200 quota overrides in 40 days" }),
  );
  expect(() => more(NOW - 40 * DAY_MS)).toThrow(expect.objectContaining({ code: "CONFLICT" }));
  expect(more(NOW - 40 * DAY_MS - 1)).toHaveLength(1);
});

test("the overrides that made room are gone, the others and the new one stay in order", () => {
  const before = { ...override(NOW), inVersion: 1 };
  const tenant = { testClock: null, quotaOverrides: [{ ...before, until: 0 }, before] } as unknown as TenantState;
  const added = override(NOW + DAY_MS);
  expect(withOverride(tenant, added, NOW, 2)).toEqual([before, { ...added, inVersion: 2 }]);
  expect(withOverride({ testClock: null } as TenantState, added, NOW, 2)).toEqual([{ ...added, inVersion: 2 }]);
});

test("an override needs a limit of the plan, an end ahead by the tenant's clock, an amount and a reason", () => {
  const limits: QuotaLimitState[] = [
    { meter: "calls", window: "DAY", kind: "HARD", limit: "1", warnAt: [] },
    { meter: null, window: "HOUR", kind: "HARD", limit: "1", warnAt: [] },
  ];
  const reasonsOf = (changes: Partial<OverrideTerms>, testClock: number | null = null) =>
    overrideReasons({ ...override(NOW + 1), ...changes }, { testClock } as TenantState, limits, NOW);
  expect(reasonsOf({})).toEqual([]);
  expect(reasonsOf({ meter: null, window: "HOUR" })).toEqual([]);
  expect(reasonsOf({ limit: "-1", reason: " ", until: NOW })).toEqual([
    { path: "limit", detail: "must not be negative" },
    { path: "reason", detail: "must not be blank" },
    { path: "until", detail: "must be in the future" },
  ]);
  expect(reasonsOf({ reason: "r".repeat(201) })).toEqual([{ path: "reason", detail: "has at most 200 characters" }]);
  expect(reasonsOf({ reason: "r".repeat(200) })).toEqual([]);
  expect(reasonsOf({}, NOW + 1).map(({ path }) => path)).toEqual(["until"]);
  expect(reasonsOf({ window: "HOUR" })).toEqual([
    { path: "meter", detail: 'the tenant\'s plan has no limit on "calls" per HOUR' },
  ]);
  expect(reasonsOf({ meter: null })).toEqual([
    { path: "meter", detail: "the tenant's plan has no limit on requests per DAY" },
  ]);
  const money = { meter: null, unit: "MONEY", window: "BILLING_PERIOD" } as const;
  expect(reasonsOf(money)).toEqual([
    { path: "meter", detail: "the tenant's plan has no limit on money per BILLING_PERIOD" },
  ]);
  limits.push({ ...money, kind: "HARD", limit: "50", warnAt: [] });
  expect(reasonsOf({ ...money, kind: "SOFT" })).toEqual([]);
  expect(reasonsOf({ ...money, meter: "calls" })).toEqual([
    { path: "meter", detail: "must be absent in a MONEY limit, which is on what all usage costs" },
  ]);
  expect(reasonsOf({ meter: null, window: "BILLING_PERIOD" }).map(({ path }) => path)).toEqual(["meter"]);
});
