import { expect, test } from "vitest";
import { createTenantTurns } from "./tenant-turns.js";

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("turns go round the tenants, one per tenant, and what exceeds a tenant's share is refused", async () => {
  const turns = createTenantTurns({ atOnce: 2, waitingPerTenant: 3, waiting: 100 });
  const started: string[] = [];
  const ask = (tenantId: string, name = tenantId) => turns.take(tenantId)?.then(() => started.push(name));
  const asked = ["a1", "a2", "a3", "a4", "a5"].map((name) => ask("a", name));
  expect(asked.map((turn) => turn !== undefined)).toEqual([true, true, true, true, false]);
  ask("b");
  ask("c");
  await settled();
  expect(started).toEqual(["a1", "b"]);
  turns.end("a");
  await settled();
  expect(started).toEqual(["a1", "b", "a2"]);
  turns.end("b");
  turns.end("a");
  await settled();
  expect(started).toEqual(["a1", "b", "a2", "c", "a3"]);
});

test("all together wait in a bounded line", () => {
  const turns = createTenantTurns({ atOnce: 1, waitingPerTenant: 9, waiting: 2 });
  const taken = ["a", "b", "c", "d"].map((tenantId) => turns.take(tenantId) !== undefined);
  expect(taken).toEqual([true, true, true, false]);
});
