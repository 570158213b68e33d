import { describe, expect, test } from "vitest";
import { DAY_MS } from "#kernel/duration.js";
import type { TenantState } from "./events/tenancy-changed.v1.js";
import { assignedPlan } from "./tenancy-history.js";

const MARCH = Date.UTC(2028, 2, 1);
const APRIL = Date.UTC(2028, 3, 1);

const tenant = (closedAt: number | null, closedInVersion: number | null = 9): TenantState => ({
  kind: "tenant",
  id: "acme",
  version: 9,
  name: "Acme",
  status: "CLOSED",
  createdAt: 0,
  createdInVersion: 1,
  billingAnchorDay: 1,
  startsAt: 0,
  currency: "EUR",
  testClock: null,
  graceDays: [{ days: 0, inVersion: 1 }],
  assignments: [{ planId: "pro", planVersion: 2, effectiveFrom: 0, inVersion: 2, cancelledInVersion: null }],
  closedInVersion,
  closedAt,
});

describe("the plan of a tenant that is closed", () => {
  test.each([
    ["in the period before", MARCH, undefined],
    ["in the last moment before", APRIL - 1, undefined],
    ["in the first moment of the period", APRIL, "pro"],
    ["during the period", APRIL + DAY_MS, "pro"],
  ])("%s: %j", (_, closedAt, planId) => {
    expect(assignedPlan(tenant(closedAt), APRIL, 9)?.planId).toBe(planId);
  });

  test("is unchanged for reads as of an earlier version", () => {
    expect(assignedPlan(tenant(MARCH), APRIL, 8)?.planId).toBe("pro");
    expect(assignedPlan(tenant(null, null), APRIL, 9)?.planId).toBe("pro");
  });
});
