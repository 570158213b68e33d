import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { HOUR_MS } from "#kernel/duration.js";
import type { CounterCharge, CounterWindow, DecideOutcome, LoadedBucket, QuotaCounters } from "./counters.js";

/** What every adapter of `QuotaCounters` promises. */
export function quotaCountersConformance(name: string, open: () => Promise<QuotaCounters>): void {
  describe(`quota counters: ${name}`, () => {
    let counters: QuotaCounters;
    let tenantId = "";
    let tenants = 0;
    const run = Math.random().toString(36).slice(2);

    beforeAll(async () => {
      counters = await open();
    });
    afterAll(async () => counters.stop());
    beforeEach(() => {
      tenants += 1;
      tenantId = `t-${run}-${tenants}`;
    });

    const load = async (
      loaded: readonly { charge: CounterCharge; buckets?: LoadedBucket[]; blockedUntil?: number }[],
      seq = 0,
    ) => {
      const [{ name: incarnation } = { name: "" }] = await counters.incarnations([tenantId]);
      await counters.load({
        tenantId,
        incarnation,
        seq,
        counters: loaded.map(({ charge, buckets = [], blockedUntil = 0 }) => ({ ...charge, blockedUntil, buckets })),
      });
    };
    const ask = (
      mode: "check" | "consume",
      key: string,
      now: number,
      charges: readonly CounterCharge[],
      ttlMs = 60_000,
    ) => counters.decide({ tenantId, mode, reservation: key, ttlMs, now, charges });
    const consume = async (key: string, now: number, ...charges: CounterCharge[]) =>
      decided(await ask("consume", key, now, charges));

    test("a tenant that is not loaded is unknown, and so is a counter", async () => {
      expect(await ask("consume", "k", T, [calls(1, 5)])).toEqual({ kind: "unknown" });
      await load([{ charge: calls(1, 5) }]);
      expect(await ask("consume", "k", T, [calls(1, 5), { ...calls(1, 5), counter: "other" }])).toEqual({
        kind: "unknown",
      });
    });

    test("admits up to the hard limit and not beyond, and returns when capacity is free again", async () => {
      await load([{ charge: calls(1, 5) }]);
      for (let n = 1; n <= 5; n += 1) {
        const { allowed, readings } = decided(await ask("consume", `k${n}`, T + n, [calls(1, 5)], 300_000));
        expect([allowed, readings[0]?.used, readings[0]?.reserved]).toEqual([true, 0, n]);
      }
      const denied = await consume("k6", T + 6, calls(1, 5));
      expect(denied.allowed).toBe(false);
      expect(denied.readings[0]).toEqual({
        used: 0,
        reserved: 5,
        blockedUntil: 0,
        resetAt: T + 63_000,
        retryAt: T + 63_000,
        denies: true,
      });
      expect((await consume("k7", T + 62_999, calls(1, 5))).allowed).toBe(false);
      expect((await consume("k8", T + 63_000, calls(1, 5))).allowed).toBe(true);
    });

    test("a counter without a hard limit counts and never denies", async () => {
      await load([{ charge: calls(10, null) }]);
      await consume("k1", T, calls(10, null));
      const { allowed, readings } = await consume("k2", T, calls(10, null));
      expect([allowed, readings[0]?.reserved]).toEqual([true, 20]);
    });

    test("if one counter denies, none is charged", async () => {
      const small = { ...calls(1, 0), counter: "small" };
      await load([{ charge: calls(1, 5) }, { charge: small }]);
      const { allowed, readings } = await consume("k", T, calls(1, 5), small);
      expect([allowed, readings.map((reading) => reading.denies)]).toEqual([false, [false, true]]);
      expect(decided(await ask("check", "x", T, [calls(1, 5)])).readings[0]?.reserved).toBe(0);
    });

    test("the same key again answers the same and charges once, also when the limit is reached", async () => {
      await load([{ charge: calls(5, 5) }]);
      const first = await consume("k", T, calls(5, 5));
      const again = await consume("k", T + 10, calls(5, 5));
      expect(again).toMatchObject({ allowed: true, repeated: true, expiresAt: first.expiresAt });
      expect(again.readings[0]?.reserved).toBe(5);
    });

    test("check charges nothing", async () => {
      await load([{ charge: calls(1, 1) }]);
      expect(decided(await ask("check", "k", T, [calls(1, 1)])).allowed).toBe(true);
      expect((await consume("k", T, calls(1, 1))).allowed).toBe(true);
      expect(decided(await ask("check", "k2", T, [calls(1, 1)])).allowed).toBe(false);
    });

    test("release and expiry return a reservation, once", async () => {
      await load([{ charge: calls(3, 5) }]);
      await consume("a", T, calls(3, 5));
      expect(await counters.release(tenantId, "a", T)).toBe(true);
      expect(await counters.release(tenantId, "a", T)).toBe(false);
      await consume("b", T, calls(3, 5));
      expect((await consume("c", T + 1, calls(3, 5))).allowed).toBe(false);
      expect((await consume("c", T + 60_000, calls(3, 5))).allowed).toBe(true);
      expect(await counters.release(tenantId, "b", T + 60_000)).toBe(false);
    });

    test("an admission that consumes immediately stays used after expiry, and is returned by release", async () => {
      const request = { ...calls(1, 2), settles: false, window: HOUR };
      await load([{ charge: request }]);
      await consume("a", T, request);
      expect((await consume("b", T + 120_000, request)).readings[0]).toMatchObject({ used: 2, reserved: 0 });
      expect((await consume("c", T + 120_001, request)).allowed).toBe(false);
      expect(await counters.release(tenantId, "b", T + 120_001)).toBe(true);
      expect((await consume("c", T + 120_001, request)).allowed).toBe(true);
    });

    test("a recorded event settles its reservation with the actual amount in the bucket of its admission", async () => {
      await load([{ charge: calls(4, 10) }]);
      await consume("k", T, calls(4, 10));
      expect(await settle(1, 0, [{ key: "k", amount: 6, at: T + 30_000 }])).toBe("applied");
      expect((await consume("k", T + 1, calls(4, 10))).readings[0]).toMatchObject({ used: 6, reserved: 0 });
      expect(decided(await ask("check", "x", T + 62_999, [calls(0, 10)])).readings[0]?.used).toBe(6);
      expect(decided(await ask("check", "x", T + 63_000, [calls(0, 10)])).readings[0]?.used).toBe(0);
    });

    test("usage without a reservation counts in the bucket of its arrival and may exceed the limit", async () => {
      await load([{ charge: calls(1, 5) }]);
      await settle(7, 0, [{ key: "free", amount: 9, at: T }]);
      const { allowed, readings } = await consume("k", T, calls(1, 5));
      expect([allowed, readings[0]?.used]).toEqual([false, 9]);
    });

    test("a settlement applies once; one that skips an earlier one is refused until repaired", async () => {
      await load([{ charge: calls(1, 5) }]);
      await settle(3, 0, [{ key: "a", amount: 1, at: T }]);
      expect(await settle(3, 0, [{ key: "a", amount: 1, at: T }])).toBe("applied");
      expect(await settle(9, 5, [{ key: "b", amount: 1, at: T }])).toBe("behind");
      await counters.repair({
        tenantId,
        incarnation: (await counters.incarnations([tenantId]))[0]?.name ?? "",
        seq: 9,
        counters: [{ ...calls(1, 5), blockedUntil: 0, buckets: [{ start: T, used: 3, bound: 0, boundUntil: 0 }] }],
      });
      expect(await counters.positions([tenantId, "nobody"])).toEqual([9, undefined]);
      expect(decided(await ask("check", "x", T, [calls(0, 5)])).readings[0]?.used).toBe(3);
    });

    test("a period counter is set to its total; a reservation of it goes when its event is recorded", async () => {
      const period = { ...calls(2, 10), counter: "p", window: PERIOD };
      await load([{ charge: period, buckets: [{ start: PERIOD.start, used: 3, bound: 0, boundUntil: 0 }] }]);
      expect((await consume("k", T, period)).readings[0]).toMatchObject({ used: 3, reserved: 2, resetAt: PERIOD.end });
      await counters.settle({
        tenantId,
        previousSeq: 0,
        seq: 4,
        inForce: ["p"],
        events: [{ meters: [{ reservation: "k", charges: [] }] }],
        totals: [{ counter: "p", bucketStart: PERIOD.start, total: 8 }],
      });
      expect((await consume("l", T, period)).readings[0]).toMatchObject({ used: 8, reserved: 2 });
      const next = { ...period, window: { ...PERIOD, start: PERIOD.end, end: PERIOD.end + 1e9 } };
      expect((await consume("m", PERIOD.end, next)).readings[0]).toMatchObject({ used: 0, reserved: 2 });
    });

    test("late usage of earlier periods leaves the running one as it is", async () => {
      const period = { ...calls(1, 10), counter: "p", window: PERIOD };
      await load([{ charge: period }]);
      await consume("k", T, period);
      for (const [seq, monthsBack] of [1, 2, 1, 2].entries()) {
        await counters.settle({
          tenantId,
          previousSeq: seq,
          seq: seq + 1,
          inForce: ["p"],
          events: [],
          totals: [
            { counter: "p", bucketStart: Date.UTC(2026, 10 - monthsBack, 1), total: 9 },
            { counter: "p", bucketStart: PERIOD.start, total: seq },
          ],
        });
        const { readings } = decided(await ask("check", "x", T, [period]));
        expect(readings[0]).toMatchObject({ used: seq, reserved: 1 });
      }
    });

    test("nothing is admitted beyond a granted bound, and the need names the usage known only to the counters", async () => {
      const bounded = { ...calls(2, 10), window: HOUR, bounded: true };
      await load([{ charge: bounded }]);
      const start = Math.floor(T / HOUR.bucketMs) * HOUR.bucketMs;
      expect(await ask("consume", "k", T, [bounded])).toEqual({
        kind: "bounds",
        needs: [{ counter: "calls", bucketStart: start, exposure: 0, amount: 2, until: T + 60_000 }],
      });
      await counters.grant(tenantId, [{ counter: "calls", bucketStart: start, bound: 3, until: T + 90_000 }]);
      expect((await consume("k", T, bounded)).allowed).toBe(true);
      expect(await ask("consume", "l", T, [bounded])).toMatchObject({ kind: "bounds", needs: [{ exposure: 2 }] });
      expect(await ask("check", "l", T, [bounded])).toMatchObject({ kind: "decided", allowed: true });
      await settle(1, 0, [{ key: "k", amount: 2, at: T }]);
      expect((await consume("l", T, bounded)).readings[0]).toMatchObject({ used: 2, reserved: 2 });
      expect(await ask("consume", "m", T + 89_000, [{ ...bounded, amount: 1 }])).toMatchObject({ kind: "bounds" });
    });

    test("a bound lost with the counters counts until its reservations would have expired", async () => {
      const bounded = { ...calls(1, 10), window: HOUR };
      const start = Math.floor(T / HOUR.bucketMs) * HOUR.bucketMs;
      await load([{ charge: bounded, buckets: [{ start, used: 4, bound: 6, boundUntil: T + 50_000 }] }]);
      const denied = await consume("k", T + 49_999, bounded);
      expect([denied.allowed, denied.readings[0]?.used, denied.readings[0]?.reserved]).toEqual([false, 4, 6]);
      expect((await consume("k", T + 50_000, bounded)).readings[0]).toMatchObject({ used: 4, reserved: 1 });
    });

    test("a lost bound of immediate consumption counts permanently", async () => {
      const request = { ...calls(1, 10), window: HOUR, settles: false, bounded: true };
      const start = Math.floor(T / HOUR.bucketMs) * HOUR.bucketMs;
      await load([{ charge: request, buckets: [{ start, used: 0, bound: 10, boundUntil: 0 }] }]);
      expect((await consume("k", T + 3_000_000, request)).allowed).toBe(false);
    });

    test("a blocked counter denies where its limit is hard, until its reset", async () => {
      await load([{ charge: calls(1, 5), blockedUntil: T + 1_000 }]);
      const denied = await consume("k", T, calls(1, 5));
      expect(denied.readings[0]).toMatchObject({ denies: true, blockedUntil: T + 1_000, retryAt: T + 1_000 });
      expect((await consume("soft", T, calls(1, null))).allowed).toBe(true);
      expect((await consume("k", T + 1_000, calls(1, 5))).allowed).toBe(true);
    });

    test("a counter that is no longer in force is forgotten, so that it can't go stale", async () => {
      await load([{ charge: calls(1, 5) }]);
      await counters.settle({ tenantId, previousSeq: 0, seq: 1, inForce: [], events: [], totals: [] });
      expect(await ask("check", "k", T, [calls(1, 5)])).toEqual({ kind: "unknown" });
    });

    test("time that goes backwards frees nothing", async () => {
      await load([{ charge: calls(5, 5) }]);
      await consume("a", T, calls(5, 5));
      expect((await consume("b", T - 100_000, calls(5, 5))).allowed).toBe(false);
    });

    test("an operator's correction sets a period's total at the position that it is of, and at no other", async () => {
      const month: CounterCharge = { ...calls(0, 10), window: { kind: "period", start: 0, end: T + 1e9 } };
      await load([{ charge: month, buckets: [{ start: 0, used: 3, bound: 0, boundUntil: 0 }] }], 7);
      const totals = [{ counter: month.counter, bucketStart: 0, total: 5 }];
      expect(await counters.correct(tenantId, 6, totals)).toBe(false);
      expect(decided(await ask("check", "x", T, [month])).readings[0]?.used).toBe(3);
      expect(await counters.correct(tenantId, 7, totals)).toBe(true);
      expect(decided(await ask("check", "x", T, [month])).readings[0]?.used).toBe(5);
      expect(await counters.correct("nobody", 7, totals)).toBe(false);
    });

    test("stored texts of a tenant are returned newest first, up to the maximum", async () => {
      expect(await counters.recall(tenantId)).toEqual([]);
      await counters.remember(tenantId, ["a", "b"]);
      await counters.remember(tenantId, ["c"]);
      expect(await counters.recall(tenantId)).toEqual(["c", "b", "a"]);
      await counters.remember(
        tenantId,
        Array.from({ length: 300 }, (_, n) => `n${n}`),
      );
      const recalled = await counters.recall(tenantId);
      expect([recalled.length, recalled[0], recalled.at(-1)]).toEqual([256, "n299", "n44"]);
    });

    test("fifteen digits are exact", async () => {
      const limit = 999_999_999_999_999;
      await load([{ charge: calls(limit - 1, limit) }]);
      await consume("a", T, calls(limit - 1, limit));
      expect((await consume("b", T, calls(1, limit))).readings[0]?.reserved).toBe(limit);
      expect((await consume("c", T, calls(1, limit))).allowed).toBe(false);
    });

    test("many at once admit exactly the limit", async () => {
      await load([{ charge: calls(1, 40) }]);
      const answers = await Promise.all(Array.from({ length: 100 }, (_, n) => consume(`k${n}`, T, calls(1, 40))));
      expect(answers.filter((answer) => answer.allowed)).toHaveLength(40);
    });

    const settle = (seq: number, previousSeq: number, events: readonly { key: string; amount: number; at: number }[]) =>
      counters.settle({
        tenantId,
        previousSeq,
        seq,
        inForce: ["calls"],
        events: events.map(({ key, amount, at }) => ({
          meters: [
            { reservation: key, charges: [{ counter: "calls", amount, bucketStart: Math.floor(at / 3_000) * 3_000 }] },
          ],
        })),
        totals: [],
      });
  });
}

/** A multiple of every bucket size. */
const T = Date.UTC(2026, 10, 24, 6);
const MINUTE: CounterWindow = { kind: "sliding", windowMs: 60_000, bucketMs: 3_000 };
const HOUR = { kind: "sliding", windowMs: HOUR_MS, bucketMs: 180_000 } as const;
const PERIOD = { kind: "period", start: Date.UTC(2026, 10, 1), end: Date.UTC(2026, 11, 1) } as const;

const calls = (amount: number, hardLimit: number | null): CounterCharge => ({
  counter: "calls",
  window: MINUTE,
  amount,
  hardLimit,
  settles: true,
  bounded: false,
});

function decided(outcome: DecideOutcome) {
  if (outcome.kind !== "decided") throw new Error(`expected a decision, got ${JSON.stringify(outcome)}`);
  return outcome;
}
