import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HOUR_MS } from "#kernel/duration.js";
import { systemClock } from "#platform/process/clock.js";
import { hasRedis, redisUrl } from "../../../tests/servers/servers.js";
import { runs } from "../../../tests/support/effort.js";
import type { CounterCharge, CounterWindow, QuotaCounters } from "./counters.js";
import { createMemoryQuotaCounters } from "./memory/memory.js";
import { createRedisQuotaCounters } from "./redis/redis.js";

const START = Date.UTC(2026, 10, 30, 23, 30);
const MONTHS = [9, 10, 11, 12, 13].map((month) => Date.UTC(2026, month, 1));

interface CounterOf {
  readonly counter: string;
  readonly settles: boolean;
  readonly bounded: boolean;
  readonly hardLimit: number | null;
  window(now: number): CounterWindow;
}

const minute: CounterWindow = { kind: "sliding", windowMs: 60_000, bucketMs: 3_000 };
const hour: CounterWindow = { kind: "sliding", windowMs: HOUR_MS, bucketMs: 180_000 };
function period(now: number): CounterWindow {
  const at = MONTHS.findLastIndex((start) => start <= now);
  return { kind: "period", start: MONTHS[at] ?? 0, end: MONTHS[at + 1] ?? 0 };
}

const COUNTERS: readonly CounterOf[] = [
  { counter: "minute", settles: true, bounded: false, hardLimit: 12, window: () => minute },
  { counter: "requests", settles: false, bounded: true, hardLimit: 9, window: () => hour },
  { counter: "period", settles: true, bounded: true, hardLimit: 40, window: period },
  { counter: "soft", settles: true, bounded: false, hardLimit: null, window: () => hour },
];

const amounts = fc.integer({ min: 0, max: 9 });
const keys = fc.integer({ min: 0, max: 12 }).map((n) => `k${n}`);
/** Whole half buckets, so that things often happen at the very moment when something else ends. */
const ticks = (max: number) => fc.integer({ min: 1, max }).map((n) => n * 1_500);
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("decide" as const),
      consume: fc.boolean(),
      key: keys,
      amount: amounts,
      of: fc.subarray([0, 1, 2, 3], { minLength: 1 }),
      ttlMs: ticks(20),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("settle" as const),
      key: keys,
      amount: fc.integer({ min: -2, max: 9 }),
      month: fc.integer({ min: 0, max: 3 }),
      skip: fc.boolean(),
    }),
  },
  {
    weight: 2,
    // Asked for at once: a batch must answer as one after another does.
    arbitrary: fc.record({
      kind: fc.constant("burst" as const),
      asked: fc.array(
        fc.record({ consume: fc.boolean(), key: keys, amount: amounts, of: fc.subarray([0, 2, 3], { minLength: 1 }) }),
        { minLength: 2, maxLength: 12 },
      ),
      ttlMs: ticks(20),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("release" as const), key: keys }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("wait" as const),
      ms: fc.oneof(ticks(6), ticks(2_000), fc.integer({ min: 1, max: 20_000 })),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("repair" as const), used: amounts }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Runs the steps and writes down everything that the counters answer. */
async function run(counters: QuotaCounters, tenantId: string, steps: readonly Step[]): Promise<readonly unknown[]> {
  const [{ name: incarnation } = { name: "" }] = await counters.incarnations([tenantId]);
  let now = START;
  let seq = 0;
  const chargeOf = (one: CounterOf, amount: number): CounterCharge => ({ ...one, window: one.window(now), amount });
  const chargesOf = (of: readonly number[], amount: number) =>
    of.flatMap((index) => COUNTERS.slice(index, index + 1)).map((one) => chargeOf(one, amount));
  const loaded = (used: number) =>
    COUNTERS.map((one) => ({
      ...chargeOf(one, 0),
      blockedUntil: one.counter === "minute" ? START + 5_000 : 0,
      buckets: [
        {
          start: one.window(now).kind === "period" ? (MONTHS[1] ?? 0) : START,
          used,
          bound: used,
          boundUntil: START + 90_000,
        },
      ],
    }));
  await counters.load({ tenantId, incarnation, seq, counters: loaded(2) });
  const answers: unknown[] = [];
  for (const action of steps) {
    if (action.kind === "wait") now += action.ms;
    else if (action.kind === "release") answers.push(await counters.release(tenantId, action.key, now));
    else if (action.kind === "repair") {
      await counters.repair({ tenantId, incarnation, seq: seq + 1, counters: loaded(action.used) });
      seq += 1;
    } else if (action.kind === "settle") {
      const sliding = ["minute", "soft"].map((counter) => ({
        counter,
        amount: action.amount,
        bucketStart: Math.floor(now / 180_000) * 180_000,
      }));
      const totals = [{ counter: "period", bucketStart: MONTHS[action.month] ?? 0, total: 10 + action.amount }];
      const events = [{ meters: [{ reservation: action.key, charges: sliding }] }];
      const previousSeq = action.skip ? seq + 1 : seq;
      const inForce = COUNTERS.map((one) => one.counter);
      answers.push(await counters.settle({ tenantId, previousSeq, seq: seq + 2, inForce, events, totals }));
      if (!action.skip) seq += 2;
    } else if (action.kind === "burst") {
      const { ttlMs } = action;
      const asked = action.asked.map(({ consume, key, amount, of }) =>
        counters.decide({
          ...{ tenantId, mode: consume ? "consume" : "check", reservation: key, ttlMs, now },
          charges: chargesOf(of, amount),
        }),
      );
      answers.push(...(await Promise.all(asked)));
    } else {
      const { key, ttlMs, amount } = action;
      const charges = chargesOf(action.of, amount);
      const mode = action.consume ? "consume" : "check";
      for (let round = 0; round < 2; round += 1) {
        const outcome = await counters.decide({ tenantId, mode, reservation: key, ttlMs, now, charges });
        answers.push(outcome);
        if (outcome.kind !== "bounds") break;
        const grants = outcome.needs.map((need) => ({
          ...need,
          bound: need.exposure + need.amount + 1,
          until: need.until + 1_000,
        }));
        await counters.grant(tenantId, grants);
      }
    }
  }
  return answers;
}

describe.skipIf(!hasRedis)("quota counters", () => {
  test("memory and Redis give the same answers to any calls", async () => {
    const redis = await createRedisQuotaCounters({
      urls: [redisUrl()],
      prefix: `test:${randomUUID()}`,
      onError: () => undefined,
    });
    try {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 80 }), async (steps) => {
          const tenantId = randomUUID();
          const expected = await run(createMemoryQuotaCounters(systemClock), tenantId, steps);
          expect(await run(redis, tenantId, steps)).toEqual(expected);
        }),
        { numRuns: runs(300) },
      );
    } finally {
      await redis.stop();
    }
  });
});
