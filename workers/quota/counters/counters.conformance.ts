import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runs } from "../../../tests/support/effort.js";
import { contentOf } from "../rules/asked.js";
import type { Decided, LostBound, Operation, Outcome, QuotaCounters, StoredBound, TenantLoad } from "./counters.js";
import { type Asked, createModel, type ModelLimit, UNIT } from "./exact-model.testing.js";

/** How the suite handles an adapter. */
export interface ConformanceAdapter {
  open(): Promise<QuotaCounters>;
  /** Another instance on the same store, as after an orderly restart or in a second process. */
  reopen(counters: QuotaCounters): Promise<QuotaCounters>;
  /** The tenant's state is gone, as after a crash or a loss of the store. */
  lose(counters: QuotaCounters, tenantId: string): Promise<QuotaCounters>;
}

const START = Date.UTC(2026, 10, 24, 6);
/** More than what is between two clocks, or between two lines on a machine that stops. */
const LONG_MS = 600_000;
const ONE_A: Asked = new Map([["a", UNIT]]);
const NOTHING: Asked = new Map();

/** What every adapter of `QuotaCounters` promises: what the exact model says, after any sequence of operations. */
export function quotaCountersConformance(name: string, adapter: ConformanceAdapter): void {
  describe(`quota counters: ${name}`, () => {
    let counters: QuotaCounters;
    let tenants = 0;
    const run = Math.random().toString(36).slice(2);
    beforeAll(async () => {
      counters = await adapter.open();
    });
    afterAll(async () => counters.stop());

    test("any sequence of operations is answered as by the exact model", async () => {
      await fc.assert(
        fc.asyncProperty(limitsOf, fc.array(stepOf, { minLength: 1, maxLength: 60 }), async (limits, steps) => {
          tenants += 1;
          const world = createWorld(`t-${run}-${tenants}`, limits, adapter, counters);
          for (const step of steps) await world.apply(step);
          counters = world.counters();
        }),
        { numRuns: runs(60) },
      );
    });

    test("the clock that is known of a tenant's counters is the one that they answer", async () => {
      const asked = await counters.now();
      for (const tenantId of [`n-${run}`, `m-${run}`, `o-${run}`])
        expect(Math.abs((counters.nowOf(tenantId) ?? Number.NaN) - asked)).toBeLessThan(LONG_MS);
    });

    test("a tenant and a counter that are not loaded are unknown", async () => {
      const [tenantId, model] = [`u-${run}`, createModel([{ meter: "a", window: "HOUR", hard: UNIT }])];
      const charges = model.concerned(ONE_A).map((limit) => model.charge(limit, ONE_A, START));
      const check: Operation = { kind: "check", key: "", content: "a 1", ttlMs: 1, charges };
      expect(await counters.execute(tenantId, [check, check], START)).toEqual([{ kind: "unknown" }]);
      const load = { tenantId, epoch: "e", seq: 0, counters: [], lost: [], hasOwnClock: false };
      await counters.load(load, await tokenOf(counters, tenantId));
      expect(await counters.execute(tenantId, [check], START)).toEqual([{ kind: "unknown" }]);
      expect(await counters.positions([tenantId, `${tenantId}-other`])).toEqual([0, undefined]);
    });

    test("a load builds nothing where the tenant was there and lost since its facts were read", async () => {
      const tenantId = `l-${run}`;
      const model = createModel([{ meter: "a", window: "HOUR", hard: UNIT }]);
      const charges = model.concerned(ONE_A).map((limit) => ({ ...model.charge(limit, ONE_A, START), bounded: false }));
      const consume: Operation = { kind: "consume", key: "k", content: "a 1", ttlMs: 9_000, charges };
      const loaded = charges.map(({ counter, window }) => ({ counter, window, blockedUntil: 0, usage: [] }));
      const load = { tenantId, epoch: "e", seq: 0, counters: loaded, lost: [], hasOwnClock: false };
      const ask = async () => (await counters.execute(tenantId, [consume], START))[0]?.kind;

      const absent = await tokenOf(counters, tenantId);
      await counters.load(load, absent);
      expect(await ask()).toBe("decided");
      const present = await tokenOf(counters, tenantId);
      expect(await tokenOf(counters, tenantId), "until it is lost").toBe(present);
      counters = await adapter.lose(counters, tenantId);
      for (const token of [absent, present]) {
        await counters.load({ ...load, epoch: "f" }, token);
        expect(await ask()).toBe("unknown");
      }
      await counters.load({ ...load, epoch: "f" }, await tokenOf(counters, tenantId));
      expect(await ask()).toBe("decided");
    });

    test("texts about a tenant are stored, newest first, also over an orderly restart", async () => {
      await counters.remember(`m-${run}`, ["one", "two"]);
      await counters.remember(`m-${run}`, ["three"]);
      expect(await counters.recall(`m-${run}`)).toEqual(["three", "two", "one"]);
      counters = await adapter.reopen(counters);
      expect(await counters.recall(`m-${run}`), "after an orderly restart").toEqual(["three", "two", "one"]);
      expect(await counters.recall(`n-${run}`)).toEqual([]);
    });
  });
}

async function tokenOf(counters: QuotaCounters, tenantId: string): Promise<string> {
  const [observed] = await counters.observe([tenantId]);
  return observed?.token ?? "";
}

const halves = (most: number) => fc.integer({ min: 0, max: 2 * most }).map((n) => (BigInt(n) * UNIT) / 2n);
const limitOf = fc.record({
  meter: fc.constantFrom("a", "a", "b", "c", null),
  window: fc.constantFrom(
    "MINUTE" as const,
    "HOUR" as const,
    "DAY" as const,
    "CALENDAR_DAY" as const,
    "BILLING_PERIOD" as const,
  ),
  hard: fc.option(halves(8), { freq: 6 }),
});
const limitsOf = fc.uniqueArray(limitOf, {
  minLength: 1,
  maxLength: 6,
  selector: ({ meter, window }) => `${meter} ${window}`,
});

/** Mostly of one meter, ascending. */
const someOf = (amount: fc.Arbitrary<bigint>, least: 0 | 1): fc.Arbitrary<Asked> =>
  fc
    .tuple(
      fc.oneof(
        { weight: 3, arbitrary: fc.constantFrom(["a"], ["a"], ["b"]) },
        { weight: 2, arbitrary: fc.subarray(["a", "b", "c"], { minLength: least }) },
      ),
      fc.array(amount, { minLength: 3, maxLength: 3 }),
    )
    .map(([meters, amounts]) => new Map(meters.map((meter, index) => [meter, amounts[index] ?? 0n])));

const stepOf = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom("consume" as const, "consume" as const, "check" as const),
      asked: someOf(halves(5), 0),
      key: fc.integer({ min: 0, max: 9 }),
      ttlMs: fc.integer({ min: 1, max: 200_000 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("release" as const), key: fc.integer({ min: 0, max: 9 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("record" as const),
      key: fc.option(fc.integer({ min: 0, max: 9 })),
      amounts: someOf(
        fc.integer({ min: -6, max: 8 }).map((n) => (BigInt(n) * UNIT) / 2n),
        1,
      ),
      ago: fc.oneof(
        fc.constant(0),
        fc.integer({ min: -30_000, max: 4_000_000 }),
        fc.integer({ min: 0, max: 100_000_000 }),
      ),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 90_000 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 30_000_000 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("lower" as const, "reopen" as const, "lose" as const) }) },
);
type Step = typeof stepOf extends fc.Arbitrary<infer T> ? T : never;

interface Read {
  readonly load: TenantLoad;
  readonly token: string;
}

interface Row {
  readonly id: string;
  readonly epoch: string;
  bound: bigint;
  until: number;
  version: number;
}

/** One tenant on the counters, with the database that a quota service keeps, and the model beside it. */
function createWorld(
  tenantId: string,
  limits: readonly ModelLimit[],
  adapter: ConformanceAdapter,
  first: QuotaCounters,
) {
  let counters = first;
  const model = createModel(limits);
  let now = START;
  let seq = 0;
  let epochs = 0;
  let versions = 0;
  /** The one under which bounds were raised last. */
  let epoch = "";
  const rows: Row[] = [];
  /** Loads whose facts were read in an earlier state, by slow processes. */
  const readBefore: Read[] = [];

  const lostRows = (): LostBound[] =>
    rows.filter(({ until, bound }) => until > now && bound > 0n).map(({ id, bound, until }) => ({ id, bound, until }));

  /** What a load needs. */
  async function read(): Promise<Read> {
    epochs += 1;
    const token = await tokenOf(counters, tenantId);
    const load: TenantLoad = {
      tenantId,
      epoch: `epoch-${epochs}`,
      hasOwnClock: true,
      seq,
      counters: limits.map((limit) => {
        const { counter, window } = model.charge(limit, NOTHING, now);
        const usage = model
          .usage()
          .filter((one) => one.meter === limit.meter)
          .map(({ amount, at, shortAt }) => ({
            at: model.startOf(limit, at) ?? (window.kind === "admission" ? shortAt : at),
            used: amount,
          }))
          .filter(({ at }) => window.kind === "period" || at + window.windowMs > now);
        return { counter, window, blockedUntil: window.kind === "admission" ? model.blockedUntil() : 0, usage };
      }),
      lost: lostRows(),
    };
    return { load, token };
  }

  async function load(): Promise<void> {
    const { load, token } = await read();
    await counters.load(load, token);
    readBefore.push({ load, token }, await read());
  }

  async function execute(operation: Operation): Promise<Outcome> {
    for (let round = 0; round < 50; round += 1) {
      const [outcome] = await counters.execute(tenantId, [operation], now);
      if (outcome?.kind === "unknown") await load();
      else if (outcome?.kind === "bounds") await raise(outcome);
      else if (outcome !== undefined) return outcome;
    }
    throw new Error("never decided");
  }

  async function raise({ epoch: of, needs }: Extract<Outcome, { kind: "bounds" }>): Promise<void> {
    epoch = of;
    const grants = needs.map(({ id, exposure, amount, until }) => {
      versions += 1;
      const held = rows.find((row) => row.id === id && row.epoch === epoch) ?? {
        id,
        epoch,
        bound: 0n,
        until: 0,
        version: 0,
      };
      if (held.version === 0) rows.push(held);
      held.bound = held.bound > exposure + amount ? held.bound : exposure + amount + (versions % 3 === 0 ? UNIT : 0n);
      held.until = Math.max(held.until, until + (versions % 2 === 0 ? 60_000 : 0));
      held.version = versions;
      return { ...held };
    });
    await counters.grant(tenantId, epoch, grants);
  }

  async function lower(): Promise<void> {
    const mine = (await counters.lower(1_000)).filter((one) => one.tenantId === tenantId);
    const stored: StoredBound[] = [];
    for (const one of mine) {
      const row = rows.find(
        ({ id, epoch, version }) => id === one.id && epoch === one.epoch && version === one.version,
      );
      if (row === undefined) continue;
      versions += 1;
      Object.assign(row, { bound: one.bound, until: one.until, version: versions });
      stored.push({ ...one, nextVersion: versions });
    }
    await counters.lowered(stored);
  }

  /** Everything open in a window that must survive a loss is covered by rows. */
  function expectCovered(): void {
    for (const meter of ["a", "b", "c"]) {
      if (!limits.some((limit) => limit.meter === meter && limit.hard !== null && limit.window !== "MINUTE")) continue;
      const { amount, until } = model.open(meter);
      const current = rows.filter((row) => row.id === `m|${meter}` && row.epoch === epoch);
      if (amount === 0n) continue;
      expect(current[0]?.bound, "the durable bound covers what is open").toBeGreaterThanOrEqual(amount);
      expect(current[0]?.until, "and as long as that is open").toBeGreaterThanOrEqual(until);
    }
  }

  async function ask(step: Extract<Step, { kind: "check" | "consume" }>): Promise<void> {
    const { asked } = step;
    const concerned = model.concerned(asked);
    if (concerned.length === 0) return;
    const charges = concerned.map((limit) => model.charge(limit, asked, now));
    const [key, content] = [`k${step.key}`, contentOf([...asked].map(([meter, amount]) => ({ meter, amount })))];
    const outcome = await execute({ kind: step.kind, key, content, ttlMs: step.ttlMs, charges });
    model.expire(now);
    const held = step.kind === "consume" ? model.held(key) : undefined;
    if (held !== undefined && held.content !== content) {
      expect(outcome).toEqual({ kind: "conflict", held: held.content });
      return;
    }
    const allowed = held !== undefined || model.fits(asked, now);
    const answered = outcome as Decided;
    expect([answered.kind, answered.allowed], JSON.stringify(step, bigintText)).toEqual(["decided", allowed]);
    if (allowed && held === undefined && step.kind === "consume")
      model.admit(key, content, asked, now, now + step.ttlMs);
    const wanted = model.readings(asked, now);
    expect(answered.readings.map(({ used, reserved, lost }) => ({ used, reserved, lost }))).toEqual(wanted);
    if (!allowed) {
      expect(answered.deniedByLoss).toBe(model.fitsButForLoss(asked, now));
      expect(answered.retryAt).toBe(model.firstFit(asked, now));
    }
    expectCovered();
  }

  async function record(step: Extract<Step, { kind: "record" }>): Promise<void> {
    const { amounts } = step;
    const at = now - step.ago;
    const key = step.key === null ? undefined : `k${step.key}`;
    model.expire(now);
    model.record(key, amounts, at);
    const counting = limits.filter(({ meter }) => meter !== null && amounts.has(meter));
    const outcome = await counters.settle({
      tenantId,
      ...{ previousSeq: seq, seq: seq + 1, now },
      counted: limits.map((limit) => model.charge(limit, NOTHING, now).counter),
      events: [
        {
          key,
          meters: [...amounts.keys()],
          charges: counting
            .map((limit) => model.charge(limit, amounts, now))
            .filter(({ window }) => window.kind !== "period")
            .map(({ counter, amount }) => ({ counter, amount, at })),
        },
      ],
      totals: counting.flatMap((limit) => {
        const periodStart = model.startOf(limit, at);
        if (periodStart === undefined) return [];
        const { counter } = model.charge(limit, NOTHING, now);
        return [{ counter, periodStart, total: model.total(limit, periodStart) }];
      }),
    });
    seq += 1;
    expect(["applied", "unknown"]).toContain(outcome);
  }

  return {
    counters: () => counters,
    async apply(step: Step): Promise<void> {
      switch (step.kind) {
        case "check":
        case "consume":
          return ask(step);
        case "release": {
          const [outcome] = await counters.execute(tenantId, [{ kind: "release", key: `k${step.key}` }], now);
          model.expire(now);
          const released = model.release(`k${step.key}`);
          expect(outcome?.kind === "released" && outcome.released).toBe(released);
          return;
        }
        case "record":
          return record(step);
        case "wait":
          now += step.ms;
          return;
        case "lower":
          return lower();
        case "reopen":
          counters = await adapter.reopen(counters);
          return;
        case "lose": {
          const [position] = await counters.positions([tenantId]);
          if (position === undefined) return;
          counters = await adapter.lose(counters, tenantId);
          model.lose(lostRows(), now);
          for (const { load, token } of readBefore) await counters.load(load, token);
          return;
        }
        default:
          step satisfies never;
      }
    },
  };
}

const bigintText = (_: string, value: unknown): unknown => (typeof value === "bigint" ? String(value) : value);
