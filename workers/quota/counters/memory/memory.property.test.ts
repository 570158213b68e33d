import fc from "fast-check";
import { expect, test } from "vitest";
import { manualClock } from "#kernel/clock.js";
import { HOUR_MS } from "#kernel/duration.js";
import { runs } from "../../../../tests/support/effort.js";
import type { CounterCharge } from "../counters.js";
import { createMemoryQuotaCounters } from "./memory.js";

const WINDOW_MS = 60_000;
const BUCKET_MS = 3_000;
const LIMIT = 20;
const START = Date.UTC(2026, 10, 24, 6);

/** The naive exact model: everything that counts, with the moment it counts from. */
interface Counted {
  readonly at: number;
  amount: number;
  expiresAt: number;
  open: boolean;
}

type Step =
  | { readonly kind: "consume"; readonly amount: number; readonly ttlMs: number }
  | { readonly kind: "release" | "settle"; readonly which: number; readonly actual: number }
  | { readonly kind: "unasked"; readonly amount: number }
  | { readonly kind: "wait"; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("consume" as const),
      amount: fc.integer({ min: 1, max: 8 }),
      ttlMs: fc.integer({ min: 500, max: 150_000 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom("release" as const, "settle" as const),
      which: fc.nat(),
      actual: fc.integer({ min: 0, max: 9 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("unasked" as const), amount: fc.integer({ min: 1, max: 5 }) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 25_000 }) }) },
);

const charge = (amount: number): CounterCharge => ({
  counter: "c",
  window: { kind: "sliding", windowMs: WINDOW_MS, bucketMs: BUCKET_MS },
  amount,
  hardLimit: LIMIT,
  settles: true,
  bounded: false,
});

test("in no window is more admitted than the limit, and nothing is denied that a window one bucket longer had room for", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 200 }), async (steps) => {
      const clock = manualClock(START);
      const counters = createMemoryQuotaCounters(clock);
      const [{ name: incarnation } = { name: "" }] = await counters.incarnations(["t"]);
      await counters.load({
        tenantId: "t",
        incarnation,
        seq: 0,
        counters: [{ ...charge(0), blockedUntil: 0, buckets: [] }],
      });
      const counted: (Counted & { readonly key: string })[] = [];
      let seq = 0;
      const settle = async (reservation: string, amount: number) => {
        const bucketStart = Math.floor(clock.now() / BUCKET_MS) * BUCKET_MS;
        const events = [{ meters: [{ reservation, charges: [{ counter: "c", amount, bucketStart }] }] }];
        await counters.settle({ tenantId: "t", previousSeq: seq, seq: seq + 1, inForce: ["c"], events, totals: [] });
        seq += 1;
      };
      const within = (ms: number): number => {
        const now = clock.now();
        const counts = counted.filter((one) => one.at > now - ms && (!one.open || one.expiresAt > now));
        return counts.reduce((sum, one) => sum + one.amount, 0);
      };

      for (const [index, action] of steps.entries()) {
        const key = `k${index}`;
        if (action.kind === "wait") clock.advance(action.ms);
        else if (action.kind === "unasked") {
          await settle(key, action.amount);
          counted.push({ key, at: clock.now(), amount: action.amount, expiresAt: 0, open: false });
        } else if (action.kind === "consume") {
          const { amount, ttlMs } = action;
          const outcome = await counters.decide({
            tenantId: "t",
            mode: "consume",
            reservation: key,
            ttlMs,
            now: undefined,
            charges: [charge(amount)],
          });
          if (outcome.kind !== "decided") throw new Error("not decided");
          if (outcome.allowed) {
            expect(within(WINDOW_MS) + amount).toBeLessThanOrEqual(LIMIT);
            counted.push({ key, at: clock.now(), amount, expiresAt: clock.now() + ttlMs, open: true });
          } else {
            expect(within(WINDOW_MS + BUCKET_MS) + amount).toBeGreaterThan(LIMIT);
          }
        } else {
          const now = clock.now();
          const open = counted.filter((one) => one.open && one.expiresAt > now);
          const chosen = open[action.which % Math.max(1, open.length)];
          if (chosen === undefined) continue;
          chosen.open = false;
          if (action.kind === "settle") {
            await settle(chosen.key, action.actual);
            chosen.amount = action.actual;
          } else {
            expect(await counters.release("t", chosen.key, undefined)).toBe(true);
            chosen.amount = 0;
          }
        }
      }
    }),
    { numRuns: runs(300) },
  );
});

test("at a steady demand at least 90 % of the limit is admitted in every window", async () => {
  const clock = manualClock(START);
  const counters = createMemoryQuotaCounters(clock);
  const [{ name: incarnation } = { name: "" }] = await counters.incarnations(["t"]);
  await counters.load({
    tenantId: "t",
    incarnation,
    seq: 0,
    counters: [{ ...charge(0), blockedUntil: 0, buckets: [] }],
  });
  const admittedAt: number[] = [];
  for (let n = 0; n < 20_000; n += 1) {
    clock.advance(100);
    const outcome = await counters.decide({
      tenantId: "t",
      mode: "consume",
      reservation: `k${n}`,
      ttlMs: HOUR_MS,
      now: undefined,
      charges: [charge(1)],
    });
    if (outcome.kind === "decided" && outcome.allowed) admittedAt.push(clock.now());
  }
  expect(admittedAt.length).toBeGreaterThanOrEqual(0.9 * LIMIT * (2_000_000 / WINDOW_MS));
});

test("a jump of the clock is a loss, the passing of time is not", async () => {
  const clock = manualClock(START);
  let steady = 0;
  const counters = createMemoryQuotaCounters(clock, { steadyMs: () => steady });
  const [{ name: incarnation } = { name: "" }] = await counters.incarnations(["t"]);
  await counters.load({
    tenantId: "t",
    incarnation,
    seq: 0,
    counters: [{ ...charge(0), blockedUntil: 0, buckets: [] }],
  });
  const ask = (key: string) =>
    counters.decide({
      tenantId: "t",
      mode: "consume",
      reservation: key,
      ttlMs: 1_000,
      now: undefined,
      charges: [charge(1)],
    });
  clock.advance(HOUR_MS);
  steady += HOUR_MS;
  expect(await ask("a")).toMatchObject({ kind: "decided", allowed: true });
  clock.advance(90_000);
  expect(await ask("b")).toEqual({ kind: "unknown" });
  expect((await counters.incarnations(["t"]))[0]?.name).not.toBe(incarnation);
});
