import { setTimeout as wait } from "node:timers/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import { runs } from "../../../tests/support/effort.js";
import type { ClaimedDelivery } from "../store/deliveries.js";
import type { EndpointRef } from "../store/notices.js";
import { createEndpointQueues, MAX_PER_ENDPOINT } from "./endpoint-queues.js";

/** Due deliveries by endpoint, as the database would hand them out. */
function world(
  due: Readonly<Record<string, number>>,
  send: (endpointId: string) => Promise<boolean>,
  maxInFlight?: number,
) {
  const left = new Map(Object.entries(due));
  const running = new Map<string, number>();
  const seen = { sent: 0, most: new Map<string, number>(), mostAtOnce: 0, errors: [] as unknown[] };
  const queues = createEndpointQueues({
    async claim({ tenantId, endpointId }, limit) {
      await wait(0);
      const take = Math.min(limit, left.get(endpointId) ?? 0);
      left.set(endpointId, (left.get(endpointId) ?? 0) - take);
      return Array.from({ length: take }, () => ({ tenantId, endpointId }) as ClaimedDelivery);
    },
    claimOne: async ({ tenantId, endpointId }) => ({ tenantId, endpointId }) as ClaimedDelivery,
    async send({ endpointId }) {
      const now = (running.get(endpointId) ?? 0) + 1;
      running.set(endpointId, now);
      seen.most.set(endpointId, Math.max(now, seen.most.get(endpointId) ?? 0));
      seen.mostAtOnce = Math.max(
        seen.mostAtOnce,
        [...running.values()].reduce((sum, n) => sum + n, 0),
      );
      try {
        return await send(endpointId);
      } finally {
        running.set(endpointId, (running.get(endpointId) ?? 1) - 1);
        seen.sent += 1;
      }
    },
    onError: (error) => seen.errors.push(error),
    ...(maxInFlight !== undefined && { maxInFlight }),
  });
  return { queues, seen, left };
}

const ref = (endpointId: string, tenantId = "acme"): EndpointRef => ({ tenantId, endpointId });

test("everything due is sent after one kick, and no queue or the whole sends more at once than it may", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(fc.constantFrom("a", "b", "c", "d", "e"), fc.nat(30), { minKeys: 1 }),
      fc.integer({ min: 1, max: 12 }),
      fc.infiniteStream(fc.boolean()),
      async (due, maxInFlight, outcomes) => {
        const { queues, seen, left } = world(due, async () => outcomes.next().value, maxInFlight);
        for (const id of Object.keys(due)) queues.kick(ref(id));
        const all = Object.values(due).reduce((sum, n) => sum + n, 0);
        for (let turns = 0; seen.sent < all && turns < 5_000; turns += 1) await wait(0);
        await queues.stop();
        expect([...left.values()].every((n) => n === 0)).toBe(true);
        expect(seen.sent).toBe(all);
        expect(seen.mostAtOnce).toBeLessThanOrEqual(maxInFlight);
        expect(Math.max(0, ...seen.most.values())).toBeLessThanOrEqual(MAX_PER_ENDPOINT);
        expect(queues.inFlight()).toBe(0);
        expect(seen.errors).toEqual([]);
      },
    ),
    { numRuns: runs(60) },
  );
});

test("a failing receiver gets one at a time, a healthy one soon many", async () => {
  const { queues, seen } = world({ good: 100, bad: 20 }, async (id) => {
    await wait(10);
    return id === "good";
  });
  for (const id of ["good", "bad"]) queues.kick(ref(id));
  while (seen.sent < 120) await wait(1);
  await queues.stop();
  expect(Object.fromEntries(seen.most)).toEqual({ good: MAX_PER_ENDPOINT, bad: 1 });
});

test("a hanging receiver delays no other, and a stop waits for running attempts", async () => {
  let release: (taken: boolean) => void = () => undefined;
  const hangs = new Promise<boolean>((resolve) => {
    release = resolve;
  });
  const { queues, seen, left } = world({ hangs: 5, good: 50 }, (id) =>
    id === "hangs" ? hangs : Promise.resolve(true),
  );
  for (const id of ["hangs", "good"]) queues.kick(ref(id));
  while (seen.sent < 50) await wait(1);
  expect(left.get("hangs")).toBe(4);
  let isStopped = false;
  const stopped = queues.stop().then(() => {
    isStopped = true;
  });
  await wait(20);
  expect(isStopped).toBe(false);
  release(true);
  await stopped;
  expect(left.get("hangs")).toBe(4);
});

test("a failed claim or update is reported, and the next kick continues", async () => {
  let failures = 2;
  let sent = 0;
  const errors: string[] = [];
  const queues = createEndpointQueues({
    async claim(endpoint) {
      if (failures-- > 0) throw new Error("no database");
      return sent > 0 ? [] : [endpoint as ClaimedDelivery];
    },
    claimOne: async () => undefined,
    async send() {
      sent += 1;
      throw new Error("not marked");
    },
    onError: (error) => errors.push(String(error)),
  });
  for (let kick = 0; kick < 3; kick += 1) {
    queues.kick(ref("a"));
    await wait(5);
  }
  await queues.stop();
  expect(errors).toEqual(["Error: no database", "Error: no database", "Error: not marked"]);
  expect(sent).toBe(1);
});

const never = () => new Promise<boolean>(() => undefined);
const LOUD = Array.from({ length: 50 }, (_, n) => `loud-${n}`);
const sends = (endpointId: string) => (endpointId.startsWith("loud") ? never() : Promise.resolve(true));

test("a tenant with fifty hanging receivers leaves three quarters of the capacity to others", async () => {
  const due = Object.fromEntries([...LOUD, "quiet"].map((id) => [id, 10]));
  const { queues, seen } = world(due, sends, 40);
  for (const id of LOUD) queues.kick(ref(id, "loud"));
  queues.kick(ref("quiet", "quiet"));
  while (seen.sent < 10) await wait(1);
  expect(queues.inFlight()).toBe(10);
});

test("a thousand requested deliveries to a hanging receiver delay none that another tenant requests", async () => {
  const { queues, seen } = world({}, sends);
  for (let n = 0; n < 2_000; n += 1) queues.request(ref("loud", "loud"), `delivery-${n}`);
  queues.request(ref("quiet", "quiet"), "delivery");
  while (seen.sent < 1) await wait(1);
  expect(queues.inFlight()).toBe(1);
});

test("when all capacity is used, the next place is for the tenant with the fewest attempts", async () => {
  const ends: (() => void)[] = [];
  const started: string[] = [];
  const tenants = ["a", "b", "c", "d"];
  const ids = tenants.flatMap((tenant) => [1, 2, 3].map((n) => `${tenant}-${n}`));
  const due = Object.fromEntries([...ids, "quiet"].map((id) => [id, 2]));
  const hold = (id: string) => {
    started.push(id);
    return new Promise<boolean>((resolve) => ends.push(() => resolve(true)));
  };
  const { queues } = world(due, hold, 8);
  for (const id of ids) queues.kick(ref(id, id.slice(0, 1)));
  while (started.length < 8) await wait(1);
  queues.kick(ref("quiet", "quiet"));
  ends[0]?.();
  while (started.length < 9) await wait(1);
  expect(started[8]).toBe("quiet");
});
