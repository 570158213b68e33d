import { describe, expect, test } from "vitest";
import { DAY_MS } from "#kernel/duration.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import { assertSameCreation, creationInput } from "./creation.js";
import { rejectIf } from "./reasons.js";
import { advanceReasons, assertOpen, statusAfter, type TenantTerms, validateTenant } from "./tenant.js";

const NOW = 1_790_000_000_000;
const terms = (change: Partial<TenantTerms> = {}): TenantTerms => ({
  id: "acme",
  name: "Acme",
  startsAt: undefined,
  billingAnchorDay: 1,
  graceDays: 3,
  testClock: null,
  ...change,
});
const pathsOf = (change: Partial<TenantTerms>) => {
  const reasons = validateTenant(terms(change), NOW);
  expect(reasons.every(({ detail }) => detail.length > 10)).toBe(true);
  return reasons.map(({ path }) => path);
};

describe("a tenant", () => {
  test("starts at most 35 days back, by its own clock", () => {
    expect(pathsOf({ startsAt: NOW - 35 * DAY_MS })).toEqual([]);
    expect(pathsOf({ startsAt: NOW - 35 * DAY_MS - 1 })).toEqual(["startsAt"]);
    const testClock = NOW - 400 * DAY_MS;
    expect(pathsOf({ testClock, startsAt: testClock - 35 * DAY_MS })).toEqual([]);
    expect(pathsOf({ testClock, startsAt: NOW })).toEqual(["startsAt"]);
    expect(pathsOf({ startsAt: NOW + 366 * DAY_MS })).toEqual([]);
    expect(pathsOf({ startsAt: NOW + 366 * DAY_MS + 1 })).toEqual(["startsAt"]);
  });

  test("with several errors returns all of them", () => {
    expect(pathsOf({ id: "a b", name: "", billingAnchorDay: 29, graceDays: -1 })).toEqual([
      "id",
      "name",
      "billingAnchorDay",
      "graceDays",
    ]);
  });

  test("has an anchor, a grace time and a test clock within bounds, and an id that may be left out", () => {
    expect(pathsOf({ id: undefined, billingAnchorDay: 28, graceDays: 28 })).toEqual([]);
    expect(pathsOf({ graceDays: 0 })).toEqual([]);
    expect(pathsOf({ billingAnchorDay: 0 })).toEqual(["billingAnchorDay"]);
    expect(pathsOf({ billingAnchorDay: 1.5, graceDays: 29 })).toEqual(["billingAnchorDay", "graceDays"]);
    expect(pathsOf({ testClock: Date.UTC(2000, 0, 1) })).toEqual([]);
    expect(pathsOf({ testClock: Date.UTC(2000, 0, 1) - 1 })).toEqual(["testClock"]);
    expect(pathsOf({ testClock: Date.UTC(2100, 0, 1) })).toEqual(["testClock"]);
  });

  test("has a time zone of the IANA database, and every reason against it is told at once", () => {
    for (const timeZone of [undefined, "UTC", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe"])
      expect(pathsOf({ timeZone })).toEqual([]);
    for (const timeZone of ["", "CEST", "BST", "Asia/KOLKATA", "+01:00", "europe/berlin", "Mars/Olympus"])
      expect(pathsOf({ timeZone })).toEqual(["timeZone"]);
    expect(pathsOf({ name: "", timeZone: "Berlin" })).toEqual(["name", "timeZone"]);
  });

  test("that is closed can't be changed", () => {
    const open = (status: TenantState["status"]) => () => assertOpen({ status } as TenantState);
    for (const status of ["ACTIVE", "SUSPENDED"] as const) expect(open(status)).not.toThrow();
    expect(open("CLOSED")).toThrow(
      expect.objectContaining({ code: "CONFLICT", message: "The tenant is CLOSED and can no longer be changed" }),
    );
  });

  test("has a clock that only goes forward, if it has one", () => {
    const pathsTo = (clock: number | null, to: number) => {
      const reasons = advanceReasons(clock, to);
      expect(reasons.every(({ detail }) => detail.length > 10)).toBe(true);
      return reasons.map(({ path }) => path);
    };
    expect(advanceReasons(NOW, 0)[0]?.detail).toContain(new Date(NOW).toISOString());
    expect(pathsTo(NOW, NOW)).toEqual([]);
    expect(pathsTo(NOW, NOW + 400 * DAY_MS)).toEqual([]);
    expect(pathsTo(NOW, NOW - 1)).toEqual(["to"]);
    expect(pathsTo(NOW, Date.UTC(2100, 0, 1))).toEqual(["to"]);
    expect(pathsTo(null, NOW)).toEqual(["tenantId"]);
  });

  test("moves between its states only where that makes sense", () => {
    expect(statusAfter("ACTIVE", "suspend")).toBe("SUSPENDED");
    expect(statusAfter("SUSPENDED", "resume")).toBe("ACTIVE");
    expect(statusAfter("SUSPENDED", "close")).toBe("CLOSED");
    const conflict = expect.objectContaining({
      ...{ code: "CONFLICT", message: expect.stringMatching(/^A tenant that is [A-Z]+ can't be changed to [A-Z]+$/) },
    });
    for (const transition of ["suspend", "resume", "close"] as const)
      expect(() => statusAfter("CLOSED", transition)).toThrow(conflict);
    expect(() => statusAfter("ACTIVE", "resume")).toThrow(conflict);
    expect(() => statusAfter("SUSPENDED", "suspend")).toThrow(conflict);
  });
});

describe("a repeated create", () => {
  test("is the same input however absence is written, and another one otherwise", () => {
    const stored = creationInput({ name: "Acme", planId: undefined, nested: { a: null, b: "1" } });
    expect(() => assertSameCreation("it", stored, creationInput({ nested: { b: "1" }, name: "Acme" }))).not.toThrow();
    expect(() => assertSameCreation("it", stored, creationInput({ name: "Acme", nested: { b: "2" } }))).toThrow(
      expect.objectContaining({
        ...{ code: "CONFLICT", message: "it already exists and was created with different input: choose another id" },
      }),
    );
  });
});

test("several reasons become one INVALID that carries them all", () => {
  const reasons = [
    { path: "a", detail: "is wrong" },
    { path: "b", detail: "too" },
  ];
  expect(() => rejectIf(reasons)).toThrow(
    expect.objectContaining({ code: "INVALID", message: "a: is wrong (and 1 more)", extensions: { errors: reasons } }),
  );
  expect(() => rejectIf([])).not.toThrow();
});
