import fc from "fast-check";
import { expect, test } from "vitest";
import { manualClock } from "#kernel/clock.js";
import { runs } from "../../../tests/support/effort.js";
import type { CounterCharge, Operation, QuotaCounters } from "../counters/counters.js";
import { createMemoryQuotaCounters } from "../counters/memory/memory.js";
import { ONE_UNIT } from "../rules/amount.js";
import type { BoundRows } from "../store/bounds.js";
import { createModelRows } from "../store/bounds.model.testing.js";
import { createBlockSizes } from "./block-sizes.js";
import { startBounds } from "./bounds.js";

const START = Date.UTC(2026, 10, 24, 6);
const LIMIT = 100n * ONE_UNIT;
const PERIOD = { kind: "period", start: START - 1_000_000, end: START + 1_000_000_000 } as const;

const charge = (amount: bigint): CounterCharge => ({
  ...{ counter: "calls|BILLING_PERIOD", meter: "calls", window: PERIOD, amount: amount * ONE_UNIT },
  ...{ hardLimit: LIMIT, laterLimits: [], bounded: true },
});

type Action =
  | { readonly kind: "consume"; readonly process: 0 | 1; readonly amount: bigint; readonly ttlMs: number }
  | { readonly kind: "release"; readonly which: number }
  | { readonly kind: "lower"; readonly process: 0 | 1 }
  | { readonly kind: "kill"; readonly process: 0 | 1 }
  | { readonly kind: "wait"; readonly ms: number };

const processes = fc.constantFrom(0 as const, 1 as const);
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("consume" as const),
      process: processes,
      amount: fc.bigInt({ min: 1n, max: 40n }),
      ttlMs: fc.integer({ min: 100, max: 20_000 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("release" as const), which: fc.nat() }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("lower" as const), process: processes }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("kill" as const), process: processes }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 30_000 }) }) },
);
/** Each action, and how many steps of what is under way follow it. */
const script = fc.array(fc.tuple(action, fc.nat({ max: 5 })), { minLength: 5, maxLength: 60 });

/** A process: each of its calls is under way for a while in both directions, and a killed one hears nothing any more. */
function openProcess(counters: QuotaCounters, rows: BoundRows, scheduler: fc.Scheduler) {
  let killed = false;
  const never = new Promise<never>(() => undefined);
  function slow<Args extends unknown[], T>(call: (...args: Args) => Promise<T>): (...args: Args) => Promise<T> {
    return async (...args) => {
      await scheduler.schedule(Promise.resolve());
      if (killed) return never;
      const answer = await call(...args);
      await scheduler.schedule(Promise.resolve());
      return killed ? never : answer;
    };
  }
  const own: QuotaCounters = {
    ...counters,
    execute: slow(counters.execute),
    grant: slow(counters.grant),
    lower: slow(counters.lower),
    lowered: slow(counters.lowered),
  };
  const bounds = startBounds({
    counters: own,
    rows: { ...rows, raise: slow(rows.raise), lower: slow(rows.lower), heldBy: slow(rows.heldBy) },
    lowerEveryMs: 2 ** 30,
    onError(error) {
      throw error;
    },
  });
  return {
    lower: bounds.lower,
    async consume(key: string, amount: bigint, ttlMs: number): Promise<void> {
      const operation: Operation = {
        ...{ kind: "consume", key, content: `calls ${amount}`, ttlMs, charges: [charge(amount)] },
      };
      for (let round = 0; round < 20; round += 1) {
        const [outcome] = await own.execute("t", [operation], undefined);
        if (outcome?.kind !== "bounds") return;
        await bounds.raise({ tenantId: "t", epoch: outcome.epoch, needs: outcome.needs, slackMs: ttlMs });
      }
      throw new Error("bounds were raised twenty times in vain");
    },
    kill(): void {
      killed = true;
      void bounds.stop();
    },
  };
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test("whatever two processes do at once, and wherever they are killed, the database covers what the counters admitted", async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), script, async (scheduler, actions) => {
      const clock = manualClock(START);
      const counters = createMemoryQuotaCounters(clock, { maxKeys: 1_000 });
      const [observed] = await counters.observe(["t"]);
      const loaded = [{ counter: "calls|BILLING_PERIOD", window: PERIOD, blockedUntil: 0, usage: [] }];
      const load = { tenantId: "t", epoch: "e", seq: 0, lost: [], hasOwnClock: false, counters: loaded };
      await counters.load(load, observed?.token ?? "");
      const model = createModelRows();
      const open = () => openProcess(counters, model.rows, scheduler);
      const living = [open(), open()];
      const keys: string[] = [];

      const look = async () => {
        const [outcome] = await counters.execute(
          "t",
          [{ kind: "check", key: "", content: "", ttlMs: 0, charges: [charge(0n)] }],
          undefined,
        );
        if (outcome?.kind !== "decided") throw new Error("not decided");
        return outcome.readings[0] ?? { reserved: 0n, resetAt: 0 };
      };
      const holds = async () => {
        const { reserved } = await look();
        const row = model.row("t", "e", "m|calls");
        const covered = row === undefined || row.until <= clock.now() ? 0n : row.bound;
        expect(covered).toBeGreaterThanOrEqual(reserved);
      };
      const step = async () => {
        if (scheduler.count() > 0) await scheduler.waitOne();
        await turn();
        await turn();
        await holds();
      };

      for (const [index, [one, steps]] of actions.entries()) {
        if (one.kind === "wait") {
          clock.advance(one.ms);
          model.prune(clock.now() - 10_000);
        } else if (one.kind === "release") {
          const key = keys[one.which % Math.max(1, keys.length)];
          if (key !== undefined) await counters.execute("t", [{ kind: "release", key }], undefined);
        } else if (one.kind === "lower") void living[one.process]?.lower();
        else if (one.kind === "kill") {
          living[one.process]?.kill();
          living[one.process] = open();
        } else {
          const key = `k${index}`;
          keys.push(key);
          void living[one.process]?.consume(key, one.amount, one.ttlMs);
        }
        await turn();
        for (let n = 0; n <= steps; n += 1) await step();
      }
      while (scheduler.count() > 0) await step();
      // At rest the bound follows what is open, also one that a killed process raised and told nobody.
      const last = open();
      for (let n = 0; n < 4; n += 1) {
        const lowering = last.lower();
        for (let pause = 0; pause < 3; pause += 1) {
          while (scheduler.count() > 0) await step();
          await turn();
        }
        await lowering;
      }
      const { reserved } = await look();
      const row = model.row("t", "e", "m|calls");
      if (row !== undefined && row.until > clock.now()) expect(row.bound).toBe(reserved);
      for (const one of [...living, last]) one.kill();
    }),
    { numRuns: runs(200) },
  );
});

test("blocks grow with the rate of raises, at most to two percent of the limit, and shrink with pauses", () => {
  const sizes = createBlockSizes();
  const raise = (together: bigint) => sizes.next({ key: "k", together, hardLimit: 1_000n });
  expect([raise(3n), raise(3n), raise(3n), raise(3n), raise(3n)]).toEqual([0n, 3n, 6n, 12n, 20n]);
});
