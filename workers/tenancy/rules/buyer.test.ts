import { expect, test } from "vitest";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import { buyerAt } from "#schema/tenancy-history.js";
import { buyerReasons, currentBuyer, newBuyer, renamedBuyer, withBuyer } from "./buyer.js";

const tenant: TenantState = {
  ...{ kind: "tenant", id: "acme", version: 3, name: "Acme", status: "ACTIVE", createdAt: 0, createdInVersion: 3 },
  ...{ billingAnchorDay: 1, startsAt: 0, currency: null, testClock: null, graceDays: [{ days: 3, inVersion: 3 }] },
  ...{ assignments: [], closedInVersion: null },
};
const withHistory = (
  before: TenantState,
  buyer: { name: string; addressLines: readonly string[] },
  version: number,
) => {
  const buyers = withBuyer(before, buyer, version);
  return { ...before, version, ...(buyers !== undefined && { buyers }) };
};

test("what was known at a version stays, also of a tenant that had no history before", () => {
  const moved = withHistory(tenant, newBuyer(tenant.name, { name: undefined, addressLines: ["Main Street 1"] }), 7);
  const renamed = { ...withHistory(moved, renamedBuyer(moved, "Acme Ltd"), 9), name: "Acme Ltd" };
  expect(buyerAt(renamed, 3)).toEqual({ name: "Acme", addressLines: [] });
  expect(buyerAt(renamed, 8)).toEqual({ name: "Acme", addressLines: ["Main Street 1"] });
  expect(buyerAt(renamed, 9)).toEqual({ name: "Acme Ltd", addressLines: ["Main Street 1"] });
  expect(currentBuyer(renamed)).toEqual(buyerAt(renamed, 9));
});

test("the buyer of a tenant without a history is the tenant, without an address", () => {
  expect(currentBuyer(tenant)).toEqual({ name: "Acme", addressLines: [] });
});

test("a buyer with a name of its own keeps it when the tenant is renamed; no change adds no history", () => {
  const other = withHistory(tenant, newBuyer("Acme", { name: "Acme Holding", addressLines: [] }), 4);
  expect(renamedBuyer(other, "Acme Ltd").name).toBe("Acme Holding");
  expect(withBuyer(other, currentBuyer(other), 5)).toBe(other.buyers);
  expect(withBuyer(tenant, currentBuyer(tenant), 5)).toBeUndefined();
});

test("texts are bounded, of one line, and without what turns other text around", () => {
  const paths = (name: string, addressLines: string[]) => buyerReasons({ name, addressLines }).map(({ path }) => path);
  expect(paths("Łódź Café 株式会社", Array(8).fill("x".repeat(100)))).toEqual([]);
  expect(paths(" ", ["x".repeat(101), "a\nb", "\u202etxt", ""])).toEqual([
    "buyer.name",
    ...[0, 1, 2, 3].map((n) => `buyer.addressLines[${n}]`),
  ]);
  expect(paths("x".repeat(201), Array(9).fill("x"))).toEqual(["buyer.name", "buyer.addressLines"]);
});
