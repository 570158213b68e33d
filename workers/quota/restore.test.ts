import { beforeEach, expect, test } from "vitest";
import { manualClock } from "#kernel/clock.js";
import type { SavedPart } from "./counters/counters.js";
import { createMemoryQuotaCounters } from "./counters/memory/memory.js";
import { restoreCounters } from "./restore.js";
import { quotaDatabase } from "./store/database.testing.js";
import { saveCounters, takeSavedCounters } from "./store/saved.js";

const PERIOD = { kind: "period", start: 0, end: 4e12 } as const;

const database = quotaDatabase();
/** The number of the start that saves. */
let start: number;
beforeEach(async () => {
  start = await restoreCounters(database(), { restore: async () => true }, fail);
});

async function* listed(parts: readonly SavedPart[]): AsyncIterable<SavedPart> {
  yield* parts;
}

/** Two parts of each tenant, more than one slice. */
const many = Array.from({ length: 1_200 }, (_, n) => `t${n}`);
const partsOfMany = many.flatMap((tenantId) => [0, 1].map((part) => ({ tenantId, part, state: `${part}` })));

/** Counters that only note what they are given. */
function noting() {
  const given: string[] = [];
  return {
    given,
    async restore(parts: readonly SavedPart[]): Promise<boolean> {
      expect(parts.map(({ part }) => part)).toEqual([0, 1]);
      given.push(parts[0]?.tenantId ?? "");
      return true;
    },
  };
}

test("what is saved is taken once; what cannot be read is lost to that tenant only", async () => {
  const clock = manualClock(1_000_000);
  const open = () => createMemoryQuotaCounters(clock, { maxKeys: 10_000 });
  const before = open();
  const tenantIds = ["a", "b", "c"];
  for (const [index, { token }] of (await before.observe(tenantIds)).entries()) {
    const tenantId = tenantIds[index] ?? "";
    const counters = [{ counter: "calls|BILLING_PERIOD", window: PERIOD, blockedUntil: 0, usage: [] }];
    await before.load({ tenantId, epoch: tenantId, seq: 7, lost: [], hasOwnClock: false, counters }, token);
  }
  await before.remember("only-texts", ["text"]);
  const parts: SavedPart[] = [];
  for await (const part of before.save()) parts.push(part.tenantId === "b" ? { ...part, state: "{" } : part);
  await saveCounters(database(), start, listed(parts));

  const errors: unknown[] = [];
  clock.advance(60_000);
  const after = open();
  await restoreCounters(database(), after, (error) => errors.push(error));
  expect(await after.positions(["a", "b", "c"])).toEqual([7, undefined, 7]);
  expect(errors).toHaveLength(1);
  expect(await after.recall("only-texts")).toEqual(["text"]);
  // Whoever had nothing to save has lost nothing.
  const observed = await after.observe(["a", "b", "elsewhere"]);
  expect(observed.map(({ since }) => since)).toEqual([1_000_000, 1_060_000, 1_000_000]);
  const again = open();
  await restoreCounters(database(), again, fail);
  expect(await again.positions(["a", "b", "c"])).toEqual([undefined, undefined, undefined]);
});

test("of a tenant with many keys one part is restored in a turn of the event loop", async () => {
  const open = () => createMemoryQuotaCounters(manualClock(1_000_000), { maxKeys: 10_000 });
  const before = open();
  const [observed] = await before.observe(["a"]);
  const charge = { counter: "calls|BILLING_PERIOD", meter: "calls", window: PERIOD, amount: 1n } as const;
  const counters = [{ counter: charge.counter, window: PERIOD, blockedUntil: 0, usage: [] }];
  const load = { tenantId: "a", epoch: "a", seq: 7, lost: [], hasOwnClock: false, counters };
  await before.load(load, observed?.token ?? "");
  const consume = { kind: "consume", content: "calls 1", ttlMs: 60_000 } as const;
  const charges = [{ ...charge, hardLimit: null, laterLimits: [], bounded: false }];
  const asked = Array.from({ length: 9_000 }, (_, n) => ({ ...consume, key: `k${n}`, charges }));
  await before.execute("a", asked, undefined);
  let turn = 0;
  let isOver = false;
  const count = () => {
    turn += 1;
    if (!isOver) setImmediate(count);
  };
  const readIn: number[] = [];
  const parts: SavedPart[] = [];
  for await (const { tenantId, part, state } of before.save()) {
    if (tenantId !== "a") continue;
    parts.push({
      ...{ tenantId, part },
      get state() {
        readIn.push(turn);
        return state;
      },
    });
  }
  count();
  const after = open();
  await after.restore(parts);
  isOver = true;
  expect([parts.length, readIn.length, new Set(readIn).size]).toEqual([6, 6, 6]);
  const [outcome] = await after.execute("a", [{ ...consume, kind: "check", key: "", charges }], undefined);
  expect(outcome).toMatchObject({ kind: "decided", readings: [{ reserved: 9_000n }] });
});

test("counters that survive on their own drop what is saved", async () => {
  await saveCounters(database(), start, listed(partsOfMany));
  await restoreCounters(database(), { restore: async () => false }, fail);
  expect((await database().pool.query("SELECT FROM saved_counters")).rowCount).toBe(0);
});

test("a start that is interrupted loses nothing", async () => {
  await saveCounters(database(), start, listed(partsOfMany));
  let slices = 0;
  const interrupted = takeSavedCounters(database(), async () => {
    slices += 1;
    if (slices === 2) throw new TypeError("interrupted");
    return true;
  });
  await expect(interrupted).rejects.toThrow("interrupted");
  const next = noting();
  await restoreCounters(database(), next, fail);
  expect(new Set(next.given)).toEqual(new Set(many));
});

test("of two processes that start together one has what is saved", async () => {
  await saveCounters(database(), start, listed(partsOfMany));
  const both = [noting(), noting()];
  const starts = await Promise.all(both.map((one) => restoreCounters(database(), one, fail)));
  expect(both.map(({ given }) => given.length).sort()).toEqual([0, many.length]);
  expect(new Set(starts).size).toBe(2);
});

test("a process that starts while another saves waits for it; one that was followed saves nothing", async () => {
  const next = noting();
  let starting: Promise<number> | undefined;
  async function* slowly(): AsyncIterable<SavedPart> {
    for (const [index, part] of partsOfMany.entries()) {
      if (index === 100) starting = restoreCounters(database(), next, fail);
      yield part;
    }
  }
  await saveCounters(database(), start, slowly());
  await starting;
  expect(next.given).toHaveLength(many.length);

  await saveCounters(database(), start, listed(partsOfMany));
  expect((await database().pool.query("SELECT FROM saved_counters")).rowCount).toBe(0);
});

function fail(error: unknown): never {
  throw error;
}
