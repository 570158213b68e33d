import { describe, expect, test } from "vitest";
import { DAY_MS } from "#kernel/duration.js";
import { assertSameCreation, creationInput } from "./creation.js";
import { rejectIf } from "./reasons.js";
import { advanceReasons, statusAfter, type TenantTerms, validateTenant } from "./tenant.js";

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
const pathsOf = (change: Partial<TenantTerms>) => validateTenant(terms(change), NOW).map(({ path }) => path);

describe("a tenant", () => {
  test("starts at most 35 days back, by its own clock", () => {
    expect(pathsOf({ startsAt: NOW - 35 * DAY_MS })).toEqual([]);
    expect(pathsOf({ startsAt: NOW - 35 * DAY_MS - 1 })).toEqual(["startsAt"]);
    const testClock = NOW - 400 * DAY_MS;
    expect(pathsOf({ testClock, startsAt: testClock - 35 * DAY_MS })).toEqual([]);
    expect(pathsOf({ testClock, startsAt: NOW })).toEqual(["startsAt"]);
  });

  test("with several errors returns all of them", () => {
    expect(pathsOf({ id: "a b", name: "", billingAnchorDay: 29, graceDays: -1 })).toEqual([
      "id",
      "name",
      "billingAnchorDay",
      "graceDays",
    ]);
  });

  test("has a clock that only goes forward, if it has one", () => {
    const pathsTo = (clock: number | null, to: number) => advanceReasons(clock, to).map(({ path }) => path);
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
    const conflict = expect.objectContaining({ code: "CONFLICT" });
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
      expect.objectContaining({ code: "CONFLICT" }),
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
