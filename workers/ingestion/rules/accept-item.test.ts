import { expect, test } from "vitest";
import { DAY_MS, MINUTE_MS } from "#kernel/duration.js";
import type { MeterState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import { MAX_EVENT_BYTES } from "#schema/openapi/limits.js";
import { type Arrival, acceptItem } from "./accept-item.js";
import { MAX_DATA_DEPTH } from "./canonical-data.js";
import { eventDigest, fingerprintDigest } from "./fingerprint.js";

const CLOSED_AT = Date.UTC(2026, 0, 20, 15);
const closed: TenantState = {
  ...{ kind: "tenant", id: "acme", version: 2, name: "Acme", status: "CLOSED", createdAt: 0, createdInVersion: 1 },
  ...{ billingAnchorDay: 1, startsAt: Date.UTC(2025, 11, 1), currency: null, testClock: null },
  ...{ graceDays: [{ days: 3, inVersion: 1 }], assignments: [], closedInVersion: 2, closedAt: CLOSED_AT },
};

function outcomeAt(time: number | undefined, now: number, tenant = closed): string {
  const stamp = time === undefined ? {} : { time: new Date(time).toISOString() };
  const event = { specversion: "1.0", id: "e", source: "s", type: "t", data: {}, ...stamp };
  const arrival = {
    ...{ now, keyTenantId: "acme", tenancyVersion: 2, isImport: false, tenant: () => tenant, metersOfType: () => [] },
  };
  const outcome = acceptItem(event, arrival);
  return outcome.kind === "accepted" ? "accepted" : `${outcome.code}: ${outcome.detail}`;
}

test("usage from before a tenant's closing is accepted as any late usage is", () => {
  expect(outcomeAt(CLOSED_AT - 1, CLOSED_AT + DAY_MS)).toBe("accepted");
  expect(outcomeAt(CLOSED_AT - 1, CLOSED_AT + 34 * DAY_MS)).toBe("accepted");
  expect(outcomeAt(CLOSED_AT - 1, CLOSED_AT + 36 * DAY_MS)).toMatch(/^TIME_OUT_OF_RANGE/);
});

test("imported usage may be of any age since the first period, and is marked", () => {
  const old = { time: new Date(NOW - 40 * DAY_MS).toISOString() };
  expect(refusalOf(old)).toMatch(/^TIME_OUT_OF_RANGE time: more than 35 days ago; older events are imported/);
  const imported = accept(old, { isImport: true });
  expect(imported.kind === "accepted" && imported.item.imported).toBe(true);
  const own = accept();
  expect(own.kind === "accepted" && "imported" in own.item).toBe(false);
  const isImport = true;
  expect(refusalOf({ time: "2025-11-30T23:59:59Z" }, { isImport })).toMatch(/^BEFORE_FIRST_PERIOD/);
  expect(refusalOf({ time: new Date(NOW + 6 * MINUTE_MS).toISOString() }, { isImport })).toMatch(/^TIME_OUT_OF_RANGE/);
});

test("usage from its closing on is refused with the moment, with and without a time", () => {
  for (const time of [CLOSED_AT, CLOSED_AT + MINUTE_MS, undefined])
    expect(outcomeAt(time, CLOSED_AT + MINUTE_MS)).toMatch(/^TENANT_CLOSED: .*2026-01-20T15:00:00.000Z/);
});

test("a tenant that was closed before the moment was kept takes nothing", () => {
  for (const time of [0, CLOSED_AT - 1])
    expect(outcomeAt(time, CLOSED_AT, { ...closed, closedAt: null })).toBe("TENANT_CLOSED: Tenant acme is closed");
});

test("a test tenant's clock decides for events without a time", () => {
  expect(outcomeAt(undefined, CLOSED_AT + DAY_MS, { ...closed, testClock: CLOSED_AT })).toMatch(/^TENANT_CLOSED/);
});

const NOW = Date.UTC(2026, 0, 20, 15);
const open: TenantState = { ...closed, status: "ACTIVE", closedInVersion: null, closedAt: null };
const tokens: MeterState = {
  ...{ kind: "meter", id: "tokens", version: 1, name: "Tokens", eventType: "t", aggregation: "SUM" },
  ...{ valueProperty: "n", dimensions: [], unit: null, createdInVersion: 1, archivedInVersion: null },
};
const event = { specversion: "1.0", id: "e", source: "s", type: "t", data: { n: 1 } };
const accept = (changes: object = {}, arrival: Partial<Arrival> = {}) =>
  acceptItem(
    { ...event, ...changes },
    {
      ...{ now: NOW, keyTenantId: "acme", tenancyVersion: 2, isImport: false, metersOfType: () => [tokens] },
      tenant: (id) => (id === "acme" ? open : undefined),
      ...arrival,
    },
  );
const refusalOf = (changes: object, arrival: Partial<Arrival> = {}) => {
  const outcome = accept(changes, arrival);
  return outcome.kind === "accepted" ? "accepted" : `${outcome.code} ${outcome.detail}`;
};
const timed = (time: number) => ({ time: new Date(time).toISOString() });

test("an accepted event has its tenant, its time or that of its arrival, and canonical data", () => {
  const data = '{"a":2,"n":1}';
  const digests = { key: eventDigest("acme", "s", "e"), fingerprint: fingerprintDigest("acme", "t", data) };
  const item = { tenantId: "acme", source: "s", id: "e", type: "t", receivedAt: NOW, data, ...digests };
  expect(accept({ data: { n: 1, a: 2 } })).toEqual({
    ...{ kind: "accepted", item: { ...item, time: NOW }, isUnmetered: false },
  });
  expect(accept({ data: { n: 1, a: 2 }, ...timed(NOW - 5) }, { metersOfType: () => [] })).toEqual({
    ...{ kind: "accepted", item: { ...item, time: NOW - 5 }, isUnmetered: true },
  });
});

test("the key or the subject names the tenant, and both name the same", () => {
  expect(refusalOf({ subject: "acme" })).toBe("accepted");
  expect(refusalOf({ subject: "acme" }, { keyTenantId: null })).toBe("accepted");
  expect(refusalOf({ subject: "other" })).toBe(
    'SUBJECT_MISMATCH subject: this key belongs to another tenant than "other"',
  );
  expect(refusalOf({ subject: "x".repeat(99) })).toMatch(/ "x{64}"$/);
  expect(refusalOf({}, { keyTenantId: null })).toBe(
    "SUBJECT_REQUIRED subject: a platform key must name the tenant here",
  );
  expect(refusalOf({ subject: "other" }, { keyTenantId: null })).toBe('NOT_FOUND subject: there is no tenant "other"');
  expect(refusalOf({ subject: "x".repeat(99) }, { keyTenantId: null })).toMatch(/ "x{64}"$/);
});

test("a time is at most 35 days back, 5 minutes ahead, and in the tenant's periods", () => {
  expect(refusalOf(timed(NOW - 35 * DAY_MS))).toBe("accepted");
  expect(refusalOf(timed(NOW - 35 * DAY_MS - 1))).toBe(
    "TIME_OUT_OF_RANGE time: more than 35 days ago; older events are imported with ?import=true",
  );
  expect(refusalOf(timed(NOW + 5 * MINUTE_MS))).toBe("accepted");
  expect(refusalOf(timed(NOW + 5 * MINUTE_MS + 1))).toBe("TIME_OUT_OF_RANGE time: more than 5 minutes ahead");
  const january = Date.UTC(2026, 0, 1);
  const tenant = () => ({ ...open, startsAt: january });
  expect(refusalOf(timed(january), { tenant })).toBe("accepted");
  expect(refusalOf(timed(january - 1), { tenant })).toBe(
    "BEFORE_FIRST_PERIOD time: before the tenant's first period, 2026-01-01T00:00:00.000Z",
  );
});

test("data is nested at most 32 levels, an event has at most 64 KiB, and every active meter can read it", () => {
  const nested = (levels: number) => JSON.parse(`{"n":1,"a":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`);
  expect(refusalOf({ data: nested(MAX_DATA_DEPTH) })).toBe("accepted");
  expect(refusalOf({ data: nested(MAX_DATA_DEPTH + 1) })).toBe("INVALID data: nested deeper than 32 levels");
  const sized = (bytes: number) => {
    const empty = Buffer.byteLength(JSON.stringify({ ...event, data: { n: 1, a: "" } }));
    return { data: { n: 1, a: "x".repeat(bytes - empty) } };
  };
  expect(refusalOf(sized(MAX_EVENT_BYTES))).toBe("accepted");
  expect(refusalOf(sized(MAX_EVENT_BYTES + 1))).toBe("TOO_LARGE An event has at most 65536 bytes");
  expect(refusalOf({ data: { n: 1, a: "x".repeat(MAX_EVENT_BYTES) } })).toBe(
    "TOO_LARGE An event has at most 65536 bytes",
  );
  expect(refusalOf({ data: { n: "x" } })).toMatch(/^INVALID data\.n: must be a decimal/);
  const archived = { ...tokens, archivedInVersion: 2 };
  expect(accept({ data: { n: "x" } }, { metersOfType: () => [archived] })).toMatchObject({
    ...{ kind: "accepted", isUnmetered: true },
  });
  expect(accept({}, { metersOfType: () => [tokens, archived] })).toMatchObject({ isUnmetered: false });
  expect(refusalOf({ specversion: "2" })).toBe('INVALID specversion: must be "1.0"');
});
