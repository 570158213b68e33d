import { expect, test } from "vitest";
import { DAY_MS, MINUTE_MS } from "#kernel/duration.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import { acceptItem } from "./accept-item.js";

const CLOSED_AT = Date.UTC(2026, 0, 20, 15);
const closed: TenantState = {
  ...{ kind: "tenant", id: "acme", version: 2, name: "Acme", status: "CLOSED", createdAt: 0, createdInVersion: 1 },
  ...{ billingAnchorDay: 1, startsAt: Date.UTC(2025, 11, 1), currency: null, testClock: null },
  ...{ graceDays: [{ days: 3, inVersion: 1 }], assignments: [], closedInVersion: 2, closedAt: CLOSED_AT },
};

function outcomeAt(time: number | undefined, now: number, tenant = closed): string {
  const stamp = time === undefined ? {} : { time: new Date(time).toISOString() };
  const event = { specversion: "1.0", id: "e", source: "s", type: "t", data: {}, ...stamp };
  const arrival = { now, keyTenantId: "acme", tenancyVersion: 2, tenant: () => tenant, metersOfType: () => [] };
  const outcome = acceptItem(event, arrival);
  return outcome.kind === "accepted" ? "accepted" : `${outcome.code}: ${outcome.detail}`;
}

test("usage from before a tenant's closing is accepted as any late usage is", () => {
  expect(outcomeAt(CLOSED_AT - 1, CLOSED_AT + DAY_MS)).toBe("accepted");
  expect(outcomeAt(CLOSED_AT - 1, CLOSED_AT + 34 * DAY_MS)).toBe("accepted");
  expect(outcomeAt(CLOSED_AT - 1, CLOSED_AT + 36 * DAY_MS)).toMatch(/^TIME_OUT_OF_RANGE/);
});

test("usage from its closing on is refused with the moment, with and without a time", () => {
  for (const time of [CLOSED_AT, CLOSED_AT + MINUTE_MS, undefined])
    expect(outcomeAt(time, CLOSED_AT + MINUTE_MS)).toMatch(/^TENANT_CLOSED: .*2026-01-20T15:00:00.000Z/);
});

test("a tenant that was closed before the moment was kept takes nothing", () => {
  expect(outcomeAt(CLOSED_AT - 1, CLOSED_AT, { ...closed, closedAt: null })).toMatch(/^TENANT_CLOSED/);
});

test("a test tenant's clock decides for events without a time", () => {
  expect(outcomeAt(undefined, CLOSED_AT + DAY_MS, { ...closed, testClock: CLOSED_AT })).toMatch(/^TENANT_CLOSED/);
});
