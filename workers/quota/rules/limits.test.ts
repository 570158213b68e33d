import { describe, expect, test } from "vitest";
import { formatDecimal } from "#kernel/decimal.js";
import { DAY_MS, HOUR_MS } from "#kernel/duration.js";
import type { PlanState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import { amountText, ONE_UNIT } from "./amount.js";
import { boundAt, counterId, countersOf, earlierLimits, limitsInForce } from "./limits.js";
import { boundsOf } from "./windows.js";

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
  const archivedIn = new Map<string, number>();
  const known = {
    plan: (id: string) => plans.get(id),
    meter: (key: string) => ({ archivedInVersion: archivedIn.get(key) ?? null }),
  };
  const at = (ms: number, version: number) => {
    const found = limitsInForce(tenant, known, ms, version);
    return found?.limits.map((one) => formatDecimal(one.limit));
  };

  test("a limit says from its meter's archival on that the meter is archived, also with an override", () => {
    archivedIn.set("calls", 4);
    const override = { meter: "calls", window: "DAY", reason: "a launch", limit: "20.5", inVersion: 3 } as const;
    const helped: TenantState = { ...tenant, quotaOverrides: [{ ...override, until: november + 100 }] };
    const said = (version: number) =>
      limitsInForce(helped, known, november, version)?.limits.map(({ meterArchived }) => meterArchived);
    expect([said(3), said(4), said(5)]).toEqual([[false], [true], [true]]);
    archivedIn.clear();
    expect(said(5)).toEqual([false]);
    const unknown = { ...known, meter: () => undefined };
    expect(limitsInForce(helped, unknown, november, 5)?.limits[0]?.meterArchived).toBe(false);
  });

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
      limitsInForce(helped, known, ms, version)?.limits.map((one) => ({
        limit: formatDecimal(one.limit),
        counter: counterId(one.counter),
      }));
    const counter = "calls|DAY";
    expect(limitAt(november, 2)).toEqual([{ limit: "10", counter }]);
    expect(limitAt(november, 3)).toEqual([{ limit: "20.5", counter }]);
    expect(limitAt(november, 4)).toEqual([{ limit: "30", counter }]);
    expect(limitAt(november + 50, 4)).toEqual([{ limit: "10", counter }]);
    expect(limitAt(november + 100, 3)).toEqual([{ limit: "10", counter }]);
    const other = { ...terms, limit: "7", until: november + 100, inVersion: 3 };
    for (const elsewhere of [{ meter: "tokens" }, { window: "HOUR" as const }]) {
      const quotaOverrides = [{ ...other, ...elsewhere }];
      const [own] = limitsInForce({ ...tenant, quotaOverrides }, known, november, 3)?.limits ?? [];
      expect(own?.text).toBe("10");
    }
  });

  test("a plan that is not known has no limits to tell, and warnings are in ascending order", () => {
    expect(limitsInForce(tenant, { ...known, plan: () => undefined }, november, 5)).toBeUndefined();
    const small = plan("small", ["10"]);
    const [version] = small.versions;
    const limits: PlanState["versions"][number]["limits"] = [
      { meter: null, window: "DAY", kind: "HARD", limit: "10", warnAt: ["0.9", "0.5", "0.75"] },
    ];
    const unsorted = {
      ...known,
      plan: () => ({ ...small, versions: version === undefined ? [] : [{ ...version, limits }] }),
    };
    const askedMeter = () => {
      throw new Error("requests have no meter");
    };
    const [own] = limitsInForce(tenant, { ...unsorted, meter: askedMeter }, november, 5)?.limits ?? [];
    expect(own?.warnAt.map(formatDecimal)).toEqual(["0.5", "0.75", "0.9"]);
    expect(own?.meterArchived).toBe(false);
  });

  test("a changed plan's limits hold from its period on, never with the old ones and never with none", () => {
    expect(at(december - 1, 5)).toEqual(["10"]);
    expect(at(december, 5)).toEqual(["100", "2.5"]);
    expect(at(december, 4)).toEqual(["10"]);
    expect(at(november, 1)).toBeUndefined();
  });

  test("a limit and its warnings are exact, in the units of its counter, whatever limits the counter has", () => {
    const limits = limitsInForce(tenant, known, december, 5)?.limits ?? [];
    expect(limits.map((one) => one.units)).toEqual([
      { most: 100n * ONE_UNIT, warnings: [80n * ONE_UNIT] },
      { most: 2_500_000_000_000n, warnings: [2n * ONE_UNIT] },
    ]);
    expect(countersOf(limits)).toEqual([{ meter: "calls", window: "DAY" }]);
    expect(countersOf(limits).map(counterId)).toEqual(["calls|DAY"]);
    expect(counterId({ meter: null, window: "MINUTE" })).toBe("|MINUTE");
  });

  test("the limits that stood before one are the overrides that may have, newest first, and the plan's", () => {
    const terms = { meter: "calls", window: "DAY", reason: "a launch" } as const;
    const helped: TenantState = {
      ...tenant,
      quotaOverrides: [
        { ...terms, limit: "1", until: november, inVersion: 2 },
        { ...terms, limit: "2", until: november + 100, inVersion: 2, meter: "tokens" },
        { ...terms, limit: "20", until: november + 100, inVersion: 3 },
        { ...terms, limit: "30", until: november + 50, inVersion: 4 },
        { ...terms, limit: "40", until: november + 50, inVersion: 5, window: "HOUR" },
      ],
    };
    const earlier = (ms: number, version: number) => {
      const [limit] = limitsInForce(helped, known, ms, version)?.limits ?? [];
      return limit && earlierLimits(helped, limit, november, version).map(({ text }) => text);
    };
    expect(earlier(november, 2)).toEqual([]);
    expect(earlier(november, 3)).toEqual(["10"]);
    expect(earlier(november, 4)).toEqual(["20", "10"]);
    expect(earlier(november + 60, 4)).toEqual(["30", "20", "10"]);
  });

  test("limits whose windows are moved to another day are those that are read for that day, an override's and the plan's", () => {
    const limit = { meter: "calls", kind: "HARD", limit: "10" } as const;
    const [version] = plan("small", []).versions;
    if (version === undefined) throw new Error("a plan without a version");
    const windows = ["DAY", "CALENDAR_DAY", "CALENDAR_WEEK", "CALENDAR_MONTH", "BILLING_PERIOD"] as const;
    const limits = windows.map((window) => ({ ...limit, window, warnAt: [] }));
    const calendar = { ...known, plan: () => ({ ...plan("small", []), versions: [{ ...version, limits }] }) };
    const override = {
      meter: "calls",
      window: "CALENDAR_DAY",
      reason: "a launch",
      limit: "20.5",
      inVersion: 3,
    } as const;
    const quotaOverrides = [{ ...override, until: december + 1 }];
    const local: TenantState = { ...tenant, timeZone: "Pacific/Chatham", quotaOverrides };
    const read = (ms: number) => limitsInForce(local, calendar, ms, 5);
    const days = Array.from({ length: 30 }, (_, day) => november + day * DAY_MS + 13 * HOUR_MS);
    let moved = read(november);
    for (const ms of [...days, ...days.reverse()]) {
      moved = moved && boundAt(moved, ms, local);
      expect(moved).toEqual(read(ms));
      for (const { window, bounds, override: over } of moved?.limits ?? []) {
        expect(bounds).toEqual(boundsOf(window, ms, local));
        expect(over?.planLimit.bounds).toEqual(window === "CALENDAR_DAY" ? bounds : undefined);
      }
      expect(moved?.limits.filter((one) => one.override).length, "its end is not reached").toBe(1);
      expect(moved && boundAt(moved, ms + 1, local), "nothing new within a day").toBe(moved);
    }
    expect(
      moved?.limits.map((one) => "bounds" in one),
      "a day that slides has none",
    ).toEqual([...[false, true, true, true, true]]);
  });

  test("shares, amounts and multiples warn together, in ascending order; of a limit of 0 there are no multiples", () => {
    const [version] = plan("small", []).versions;
    const warned = (limit: string) => {
      const warnings = { warnAt: ["0.65"], warnAtAmounts: ["7", "0.5"], warnEvery: "4" };
      const limits = [{ meter: "calls", window: "DAY", kind: "HARD", limit, ...warnings } as const];
      const versions = version === undefined ? [] : [{ ...version, limits }];
      const [found] =
        limitsInForce(tenant, { ...known, plan: () => ({ ...plan("small", []), versions }) }, november, 5)?.limits ??
        [];
      expect(found?.warnAtAmounts?.map(formatDecimal)).toEqual(["7", "0.5"]);
      return found?.units.warnings.map(amountText);
    };
    expect(warned("10")).toEqual(["0.5", "4", "6.5", "7"]);
    expect(warned("0")).toEqual(["0", "0.5", "7"]);
  });

  test("the state warns from the step on that alerts tell where an override makes multiples many", () => {
    const limit = { meter: "calls", window: "DAY", kind: "HARD", limit: "1000", warnEvery: "1" } as const;
    const [version] = plan("small", []).versions;
    const many = {
      ...known,
      plan: () => ({
        ...plan("small", []),
        versions: version ? [{ ...version, limits: [{ ...limit, warnAt: [] }] }] : [],
      }),
    };
    const override = { meter: "calls", window: "DAY", reason: "a launch", limit: "5000", inVersion: 3 } as const;
    const helped = { ...tenant, quotaOverrides: [{ ...override, until: december }] };
    expect(limitsInForce(tenant, many, november, 5)?.limits[0]?.units.warnings).toEqual([ONE_UNIT]);
    expect(limitsInForce(helped, many, november, 5)?.limits[0]?.units.warnings).toEqual([5n * ONE_UNIT]);
  });
});
