import { expect, test } from "vitest";
import {
  type PlanState,
  type QuotaLimitState,
  type QuotaOverrideState,
  readTenancyChanged,
  recordOf,
  stateOf,
  type TenancyChangedV1,
  type TenantState,
  tenancyChangedV1,
} from "./events/tenancy-changed.v1.js";
import { limitKey } from "./limit-scope.js";

const limit: QuotaLimitState = { meter: null, window: "BILLING_PERIOD", kind: "HARD", limit: "5", warnAt: [] };
const planWith = (...limits: QuotaLimitState[]): PlanState => ({
  ...{ kind: "plan", id: "p", version: 1, name: "P", archived: false },
  versions: [
    {
      ...{ version: 1, publishedAt: 0, publishedInVersion: 1, currency: "EUR", recurringFee: "0", minimumCommit: "0" },
      ...{ prices: [], limits },
    },
  ],
});
const tenantWith = (...quotaOverrides: QuotaOverrideState[]): TenantState => ({
  ...{ kind: "tenant", id: "t", version: 1, name: "T", status: "ACTIVE", createdAt: 0, createdInVersion: 1 },
  ...{ billingAnchorDay: 1, startsAt: 0, currency: null, testClock: null, closedInVersion: null, assignments: [] },
  graceDays: [{ days: 3, inVersion: 1 }],
  quotaOverrides,
});
const override: QuotaOverrideState = {
  ...{ meter: null, window: "BILLING_PERIOD", limit: "9", until: 5, reason: "r", inVersion: 1 },
};
const europe = [{ dimension: "region", value: "eu" }];

test.each<[string, TenancyChangedV1, string]>([
  ["a plan", planWith(limit), "plan"],
  ["a plan with a limit by dimension", planWith({ ...limit, where: europe }), "dimensionedPlan"],
  ["a plan with a limit in money", planWith({ ...limit, where: europe }, { ...limit, unit: "MONEY" }), "moneyPlan"],
  ["a tenant", tenantWith(override), "tenant"],
  ["a tenant with an override by dimension", tenantWith({ ...override, by: ["user"] }), "dimensionedTenant"],
  ["a tenant with an override in money", tenantWith({ ...override, unit: "MONEY" }), "moneyTenant"],
  ["a tenant with an override that makes a limit soft", tenantWith({ ...override, kind: "SOFT" }), "moneyTenant"],
])("%s is a record at which processes wait that would ignore what it has", (_, state, kind) => {
  const record = tenancyChangedV1.parse(JSON.parse(JSON.stringify(recordOf(state))));
  expect(record.kind).toBe(kind);
  expect(stateOf(record)).toEqual(state);
  expect(readTenancyChanged(JSON.stringify(record))).toEqual(state);
});

test("a limit in money is another one than that on requests of the same window", () => {
  expect(limitKey({ ...limit, unit: "MONEY" })).not.toBe(limitKey(limit));
  expect(limitKey({ ...limit, unit: "QUANTITY" })).toBe(limitKey(limit));
});
