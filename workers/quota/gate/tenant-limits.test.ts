import { expect, test } from "vitest";
import { DAY_MS } from "#kernel/duration.js";
import type { PlanState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import { createTenantLimits } from "./tenant-limits.js";

test("usage of days in any order reads a plan once", () => {
  const november = Date.UTC(2026, 10, 1);
  const limit = { meter: "calls", window: "CALENDAR_DAY", kind: "HARD", limit: "10" } as const;
  const terms = {
    currency: "EUR",
    recurringFee: "0",
    minimumCommit: "0",
    prices: [],
    limits: [{ ...limit, warnAt: [] }],
  };
  const plan: PlanState = {
    ...{ kind: "plan", id: "p", version: 1, name: "p", archived: false },
    versions: [{ ...terms, version: 1, publishedAt: 0, publishedInVersion: 1 }],
  };
  const assignment = { planId: "p", planVersion: 1, effectiveFrom: november, inVersion: 1, cancelledInVersion: null };
  const tenant: TenantState = {
    ...{ kind: "tenant", id: "t", version: 1, name: "t", status: "ACTIVE", createdAt: 0, createdInVersion: 1 },
    ...{ billingAnchorDay: 1, startsAt: november, currency: "EUR", testClock: null, closedInVersion: null },
    ...{ timeZone: "Asia/Kathmandu", graceDays: [{ days: 3, inVersion: 1 }], assignments: [assignment] },
  };
  let read = 0;
  const tenancy = {
    version: () => 1,
    tenant: () => tenant,
    meter: () => undefined,
    plan() {
      read += 1;
      return plan;
    },
  };
  const limits = createTenantLimits(tenancy, { nowOf: () => november }, { now: () => november });
  const starts = Array.from({ length: 60 }, (_, n) => {
    const day = november + ((n * 7) % 29) * DAY_MS;
    const bounds = limits.at(tenant, day, 1)?.limits[0]?.bounds;
    expect(bounds && bounds.start <= day && day < bounds.end).toBe(true);
    return bounds?.start;
  });
  expect(new Set(starts).size).toBe(29);
  expect(read).toBe(1);
});
