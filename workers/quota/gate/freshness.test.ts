import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { manualClock } from "#kernel/clock.js";
import { machineTime, replaceTime } from "#platform/lifecycle/time.js";
import { CountersUnavailable, type QuotaCounters } from "../counters/counters.js";
import { createMemoryQuotaCounters } from "../counters/memory/memory.js";
import { quotaDatabase } from "../store/database.testing.js";
import { createQuotaStore } from "../store/store.js";
import { createFreshness } from "./freshness.js";

const database = quotaDatabase();
beforeAll(async () => {
  await database().pool.query(
    "INSERT INTO tenant_position (tenant_id, partition, seq) VALUES ('even', 0, 7), ('late', 0, 9), ('dead', 1, 3), ('unloaded', 1, 5)",
  );
});

/** What the counters' positions are; those of a tenant that is not answered for cannot be asked, neither alone nor with others. */
let held: Map<string, number>;
let unanswered: Set<string>;
let asked: (readonly string[])[];
beforeEach(() => {
  held = new Map([
    ["even", 7],
    ["late", 7],
    ["dead", 3],
  ]);
  unanswered = new Set();
  asked = [];
});

function open() {
  const counters: QuotaCounters = {
    ...createMemoryQuotaCounters(manualClock(0), { maxKeys: 1 }),
    async positions(tenantIds) {
      asked.push(tenantIds);
      if (tenantIds.some((id) => unanswered.has(id))) throw new CountersUnavailable("down");
      return tenantIds.map((id) => held.get(id));
    },
  };
  const partitionOf = (tenantId: string): number => (tenantId === "even" || tenantId === "late" ? 0 : 1);
  return createFreshness({
    counters,
    database: database(),
    store: createQuotaStore(database(), partitionOf),
    partitionOf,
  });
}

/** Time passes only where a test says so: a slow machine changes nothing. */
let laterMs = 1_000_000;
const restoreTime = replaceTime({ ...machineTime, monotonicMs: () => laterMs });
afterAll(restoreTime);

test("tenants of one turn are compared together, and one without counters lacks nothing", async () => {
  const freshness = open();
  expect(freshness.isFresh("even")).toBe(false);
  const all = await Promise.all(["even", "late", "unloaded"].map((id) => freshness.confirm(id)));
  expect(all).toEqual([true, false, true]);
  expect(asked[0]).toEqual(["even", "late", "unloaded"]);
  expect(asked.slice(1).every((ids) => ids.join() === "late")).toBe(true);
  expect(["even", "late", "unloaded"].map(freshness.isFresh)).toEqual([true, false, true]);
  expect(freshness.behind()).toEqual(["late"]);
  held.set("late", 9);
  await freshness.compare(["late"]);
  expect(freshness.isFresh("late")).toBe(true);
  expect(freshness.behindForMs()).toBe(0);
});

describe("where another process settles", () => {
  const moveTo = (seq: number) =>
    database().pool.query("UPDATE tenant_position SET seq = $1 WHERE tenant_id = 'even'", [seq]);
  afterEach(() => moveTo(7));

  test("trust ends, unless the tenant is looked at while it is asked about", async () => {
    const freshness = open();
    await freshness.confirm("even");
    laterMs += 3_000;
    expect(freshness.isFresh("even")).toBe(false);
    expect(await freshness.confirm("even")).toBe(true);
    asked = [];
    for (let turn = 0; turn < 5; turn += 1) {
      laterMs += 2_000;
      expect(await freshness.lookElsewhere([])).toEqual([]);
      expect(freshness.isFresh("even")).toBe(true);
    }
    expect(asked).toHaveLength(5);
    laterMs += 11_000;
    await freshness.lookElsewhere([]);
    expect(asked, "a tenant that nobody asks about").toHaveLength(5);
  });

  test("a settlement under way is given time, one that stays missing is not", async () => {
    const freshness = open();
    await freshness.confirm("even");
    await moveTo(8);
    await freshness.lookElsewhere([]);
    laterMs += 1_000;
    // The first settlement arrived, and the next one is under way.
    held.set("even", 8);
    await moveTo(9);
    expect(await freshness.lookElsewhere([])).toEqual([]);
    laterMs += 1_900;
    expect(freshness.isFresh("even"), "what it lacks is new").toBe(true);
    expect(await freshness.lookElsewhere([])).toEqual([]);
    laterMs += 200;
    expect(await freshness.lookElsewhere([])).toEqual(["even"]);
    expect(freshness.isFresh("even")).toBe(false);
    expect(await freshness.confirm("even")).toBe(false);
    expect(freshness.behind()).toEqual(["even"]);
  });

  test("a tenant whose partition went elsewhere is compared again", async () => {
    const freshness = open();
    await freshness.comparePartitions([0], false);
    asked = [];
    expect(await freshness.confirm("even")).toBe(true);
    laterMs += 60_000;
    expect(freshness.isFresh("even")).toBe(true);
    expect(await freshness.lookElsewhere([0])).toEqual([]);
    expect(asked).toEqual([]);
    await freshness.lookElsewhere([]);
    expect(freshness.isFresh("even")).toBe(false);
    expect(await freshness.confirm("even")).toBe(true);
    expect(asked).toEqual([["even"]]);
  });
});

test("a partition that another process was seen to settle in is compared again", async () => {
  const freshness = open();
  await freshness.comparePartitions([0], false);
  expect(await freshness.confirm("even")).toBe(true);
  freshness.intruded(0);
  held.set("even", 6);
  expect(freshness.isFresh("even")).toBe(false);
  expect(await freshness.confirm("even")).toBe(false);
  held.set("even", 7);
  // A comparison that began before the other process was seen tells nothing.
  const comparing = freshness.comparePartitions([0], false);
  freshness.intruded(0);
  await comparing;
  expect(await freshness.confirm("even")).toBe(true);
  laterMs += 3_000;
  expect(freshness.isFresh("even")).toBe(false);
  await freshness.comparePartitions([0], false);
  expect(await freshness.confirm("even")).toBe(true);
  laterMs += 60_000;
  expect(freshness.isFresh("even")).toBe(true);
});

test("where only some counters answer, the others' tenants are known", async () => {
  const freshness = open();
  unanswered.add("dead");
  const [even, dead] = await Promise.allSettled([freshness.confirm("even"), freshness.confirm("dead")]);
  expect(even).toEqual({ status: "fulfilled", value: true });
  expect(dead).toMatchObject({ status: "rejected", reason: expect.any(CountersUnavailable) });
  await freshness.comparePartitions([0, 1], false);
  expect([...freshness.behind()].sort()).toEqual(["dead", "late"]);
  expect(await freshness.compare(freshness.behind())).toEqual({ late: ["late"], unanswered: ["dead"] });
  unanswered.clear();
  await freshness.compare(freshness.behind());
  expect(freshness.behind()).toEqual(["late"]);
  for (const id of ["even", "late", "dead", "unloaded"]) unanswered.add(id);
  await expect(freshness.compare(["even", "late"])).rejects.toThrow(CountersUnavailable);
});

test("after they did not answer a tenant elsewhere is compared again, one that this process settles is trusted", async () => {
  const freshness = open();
  await freshness.comparePartitions([0], false);
  await freshness.confirm("unloaded");
  asked = [];
  freshness.forget(undefined);
  expect(await freshness.confirm("even")).toBe(true);
  expect(asked).toEqual([]);
  expect(await freshness.confirm("unloaded")).toBe(true);
  expect(asked).toEqual([["unloaded"]]);
  freshness.forget("unloaded");
  expect(freshness.isFresh("unloaded")).toBe(false);
  freshness.mark("even");
  expect(await freshness.confirm("even")).toBe(false);
  await freshness.comparePartitions([0], true);
  expect(freshness.behind()).toEqual(["late"]);
});

describe("a request that waits for a tenant that is behind", () => {
  test("goes on when it is caught up, when it is given up, or when it has been behind for long", async () => {
    const freshness = open();
    let kicks = 0;
    const kick = () => {
      kicks += 1;
    };
    expect(freshness.caughtUp("even", kick)).toBeUndefined();
    let ended = 0;
    const wait = () => freshness.caughtUp("late", kick)?.then(() => (ended += 1));
    freshness.mark("late");
    const caughtUp = [wait(), wait()];
    await freshness.compare(["late"]);
    expect([ended, kicks]).toEqual([0, 1]);
    held.set("late", 9);
    await freshness.compare(["late"]);
    await Promise.all(caughtUp);
    freshness.mark("late");
    const givenUp = wait();
    freshness.giveUp();
    await givenUp;
    laterMs += 400;
    expect(wait()).toBeUndefined();
    expect(freshness.behind()).toEqual(["late"]);
  });
});

test("a settlement that is missed during a comparison is not forgotten by it", async () => {
  const freshness = open();
  freshness.mark("even");
  const comparing = freshness.compare(["even"]);
  freshness.mark("even");
  await comparing;
  expect(freshness.behind()).toEqual(["even"]);
  await freshness.compare(["even"]);
  expect(freshness.behind()).toEqual([]);
});
