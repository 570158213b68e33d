import { expect, test } from "vitest";
import type { MeterState, PlanState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import { createLimits } from "./dimension-limits.js";

const meter = (id: string, dimensions: string[]): MeterState => ({
  ...{ kind: "meter", id, version: 1, name: id, eventType: id, aggregation: "COUNT", valueProperty: null, dimensions },
  ...{ unit: null, createdInVersion: 1, archivedInVersion: null },
});
const METERS = [meter("whole", ["user"]), meter("part", ["user", "model"]), meter("free", ["user"])];
const limit = { window: "DAY" as const, kind: "HARD" as const, limit: "1", warnAt: [] };
const PLAN: PlanState = {
  ...{ kind: "plan", id: "p", version: 2, name: "p", archived: false },
  versions: [
    {
      ...{ version: 1, publishedAt: 0, publishedInVersion: 2, currency: "EUR", recurringFee: "0", minimumCommit: "0" },
      prices: [],
      limits: [
        ...["whole", "part"].map((one) => ({ ...limit, meter: one, by: ["user"] })),
        { ...limit, meter: "free", where: [{ dimension: "user", value: "u1" }] },
      ],
    },
  ],
};
const tenant = (id: string, planId: string | undefined): TenantState => ({
  ...{ kind: "tenant", id, version: 3, name: id, status: "ACTIVE", createdAt: 0, createdInVersion: 3, startsAt: 0 },
  ...{
    billingAnchorDay: 1,
    currency: null,
    testClock: null,
    graceDays: [{ days: 3, inVersion: 3 }],
    closedInVersion: null,
  },
  assignments:
    planId === undefined ? [] : [{ planId, planVersion: 1, effectiveFrom: 0, inVersion: 3, cancelledInVersion: null }],
});

test("a meter that a limit of the tenant's plans counts by may have as many combinations as quota admits, or more", () => {
  const tenants = new Map([tenant("planned", "p"), tenant("unplanned", undefined)].map((one) => [one.id, one]));
  const limits = createLimits(
    {
      tenant: (id) => tenants.get(id),
      plan: (id) => (id === "p" ? PLAN : undefined),
      meter: (key) => METERS.find(({ id }) => id === key),
    },
    { maxDimensionValues: 50, quotaMaxCombinations: 100 },
  );
  const of = (tenantId: string) =>
    METERS.map((one) => limits({ key: "", tenantId, meter: one, period: { start: 0, end: 1 } }));
  // What was recorded before the assignment counts here, and not in the limit.
  expect(of("planned")).toEqual([150, 1_050, 50]);
  expect(of("unplanned")).toEqual([50, 50, 50]);
  expect(of("nobody")).toEqual([50, 50, 50]);
});
