import { expect, test } from "vitest";
import { onePerTenant } from "./one-per-tenant.js";

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("fifty calls of one tenant occupy one worker, run once more, and delay no other tenant", async () => {
  const runs: string[] = [];
  const ends: (() => void)[] = [];
  const work = onePerTenant((tenantId) => {
    runs.push(tenantId);
    return tenantId === "loud" ? new Promise<void>((resolve) => ends.push(resolve)) : Promise.resolve();
  });
  const calls = Array.from({ length: 50 }, () => work("loud"));
  // All but the first are over: their workers are free.
  await Promise.all([...calls.slice(1), work("quiet")]);
  expect(runs).toEqual(["loud", "quiet"]);
  ends[0]?.();
  await settled();
  expect(runs).toEqual(["loud", "quiet", "loud"]);
  ends[1]?.();
  await calls[0];
});

test("work that fails is reported, and the next call runs it again", async () => {
  let failures = 1;
  const work = onePerTenant(async () => {
    if (failures-- > 0) throw new Error("no database");
  });
  await expect(work("acme")).rejects.toThrow("no database");
  await expect(work("acme")).resolves.toBeUndefined();
});
