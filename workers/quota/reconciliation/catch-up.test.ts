import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Decimal } from "#kernel/decimal.js";
import { MINUTE_MS } from "#kernel/duration.js";
import { partitionOf } from "#kernel/partition.js";
import { newUuid } from "#platform/lifecycle/random.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { hasPostgres, waitFor } from "../../../tests/servers/servers.js";
import { runs } from "../../../tests/support/effort.js";
import { unlessStopped } from "../../../tests/support/unless-stopped.js";
import { CountersUnavailable, type QuotaCounters } from "../counters/counters.js";
import { createMemoryQuotaCounters } from "../counters/memory/memory.js";
import { startBounds } from "../gate/bounds.js";
import { createFreshness } from "../gate/freshness.js";
import { createGate } from "../gate/gate.js";
import { createCounterLoader } from "../gate/loader.js";
import { createTenantLimits } from "../gate/tenant-limits.js";
import { createBoundRows } from "../store/bounds.js";
import { createQuotaStore } from "../store/store.js";
import { createUsageRecorded } from "../usage-recorded.js";
import { openWorld, type World } from "../world.testing.js";
import { createCatchUp } from "./catch-up.js";
import { startReconciler } from "./reconciler.js";
import { watched } from "./watched.js";

const PARTITIONS = 2;

function fail(error: unknown): never {
  throw error;
}

/** Counters that may stop answering, or lose what they answer. */
function flaky(counters: QuotaCounters) {
  const nothing = () => Promise.resolve();
  const state = { isDown: false, beforeLoad: nothing, beforeRepair: nothing };
  const down = () => new CountersUnavailable("down");
  function guard<Args extends unknown[], T>(call: (...args: Args) => Promise<T>): (...args: Args) => Promise<T> {
    return async (...args) => {
      if (state.isDown) throw down();
      const answer = await call(...args);
      if (state.isDown) throw down();
      return answer;
    };
  }
  const { now, execute, observe, load, settle, repair, grant, lower, lowered, positions } = counters;
  const held: typeof load = async (...args) => {
    await state.beforeLoad();
    return load(...args);
  };
  const guarded: QuotaCounters = {
    ...counters,
    ...{ now: guard(now), execute: guard(execute), observe: guard(observe), load: guard(held), settle: guard(settle) },
    ...{ repair: guard(repair), grant: guard(grant), lower: guard(lower), lowered: guard(lowered) },
    positions: guard(positions),
  };
  return { state, counters: guarded };
}

interface ProcessOptions {
  readonly mostEntries?: number;
  /** Shared with another process, which settles. */
  readonly shared?: QuotaCounters;
  /** How much this process takes the counters' clock to be ahead of where it is. */
  readonly aheadMs?: number;
}

/** A process of quota whose usage is applied by hand, and whose counters may stop answering. */
function openProcess(world: World, { mostEntries, shared, aheadMs = 0 }: ProcessOptions = {}) {
  const { database, tenancy, ledger } = world;
  const partitionOfTenant = (tenantId: string): number => partitionOf(tenantId, PARTITIONS);
  const inProcess = shared ?? createMemoryQuotaCounters({ now: Date.now }, { maxKeys: 1_000 });
  const now = (): number => Date.now() + aheadMs;
  const { state, counters: answering } = flaky(inProcess);
  const counters = watched(answering, (tenantId) => freshness.forget(tenantId));
  const store = createQuotaStore(database, partitionOfTenant);
  const freshness = createFreshness({ counters, database, store, partitionOf: partitionOfTenant });
  const limits = createTenantLimits(tenancy, { nowOf: now }, { now });
  const loader = createCounterLoader({ counters, database, limits, freshness });
  const bounds = startBounds({ counters, rows: createBoundRows(database), onError: fail });
  const gate = createGate({
    combinations: async () => new Map(),
    ...{ counters, loader, bounds, limits, freshness },
    async repaired(tenantId) {
      await state.beforeRepair();
      await reconciler.repaired(tenantId);
    },
    onDenied: () => undefined,
    onUnavailable: () => undefined,
  });
  const catchUp = createCatchUp({
    ...{ database, counters, loader, limits, tenancy, ledger, partitions: PARTITIONS },
    ...(mostEntries !== undefined && { mostEntries }),
  });
  const reconciler = startReconciler({
    ...{ counters, freshness, catchUp, repair: loader.repair, onError: fail },
    assigned: () => (shared === undefined ? [0, 1] : []),
    metrics: { repaired: () => undefined },
    intervalMs: 20,
  });
  const apply = createUsageRecorded({
    ...{ store, counters, tenancy, ledger, partitions: PARTITIONS, limits },
    onBehind: reconciler.behind,
    onAlerts: () => undefined,
  });
  return {
    state,
    gate,
    freshness,
    /** What others may share. */
    inProcess,
    /** `dies`: between the database's commit and the settlement. */
    async record(tenantId: string, values: Readonly<Record<string, number>>, dies = false): Promise<void> {
      const entries: LedgerEntry[] = await world.record(
        tenantId,
        Object.entries(values).map(([id, n]) => ({ id, type: "use.units", data: { n } })),
      );
      const after = await database.transaction((tx) => apply(tx, partitionOfTenant(tenantId), entries, undefined));
      if (!dies) await after?.();
    },
    async consume(tenantId: string, idempotencyKey: string, amount: number) {
      const usage = [{ meter: "units", amount: new Decimal(amount) }];
      return gate.consume({ tenantId, usage, idempotencyKey, ttlMs: 600_000 });
    },
    /** Used and reserved of each limit. */
    async stands(tenantId: string): Promise<readonly (readonly number[])[]> {
      const readings = await gate.status(tenantId);
      return readings.map(({ used, reserved }) => [Number(used / 10n ** 12n), Number(reserved / 10n ** 12n)]);
    },
    isWhole: () => waitFor(() => freshness.behind().length === 0, { what: "nobody to be behind" }),
    async stop(): Promise<void> {
      await Promise.all([reconciler.stop(), bounds.stop()]);
      await counters.stop();
    },
  };
}

type Process = ReturnType<typeof openProcess>;

describe.skipIf(!hasPostgres)("counters that missed settlements", () => {
  let world: World;
  let process: Process;
  beforeAll(async () => {
    world = await openWorld();
    world.meter("units", { aggregation: "SUM", valueProperty: "n", eventType: "use.units" });
    world.plan("both", [
      { meter: "units", limit: "1000000" },
      { meter: "units", limit: "1000000", window: "HOUR" },
    ]);
    world.plan("soft", [{ meter: "units", limit: "10", kind: "SOFT" }]);
    process = openProcess(world);
  });
  afterAll(async () => {
    await process.stop();
    await world.close();
  });

  const step = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant("consume" as const), key: fc.nat({ max: 9 }), n: fc.nat({ max: 50 }) }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("record" as const),
        keys: fc.uniqueArray(fc.nat({ max: 9 }), { minLength: 1, maxLength: 4 }),
        n: fc.integer({ min: -5, max: 50 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("answer" as const), isDown: fc.boolean() }) },
  );

  test("get them from the ledger, exactly, whenever and for however long they did not answer", async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
        run += 1;
        const [id, other] = [`t${run}`, `o${run}`];
        world.tenant(id, "both");
        world.tenant(other, "both");
        await process.consume(other, "warm", 1);
        const open = new Map<string, number>();
        const known = new Set<string>();
        let used = 0;
        for (const [index, one] of steps.entries()) {
          if (one.kind === "answer") process.state.isDown = one.isDown;
          else if (one.kind === "consume") {
            const key = `k${one.key}`;
            if (known.has(key)) continue;
            const decision = await process.consume(id, key, one.n);
            if (process.state.isDown) expect(decision.reason).toBe("COUNTER_REBUILDING");
            if (!decision.allowed) continue;
            known.add(key);
            open.set(key, one.n);
          } else {
            await process.record(other, { [`other-${index}`]: 1 });
            // An event's id is recorded once.
            const fresh = one.keys.filter((key) => !known.has(`used-${key}`)).map((key) => `k${key}`);
            await process.record(id, Object.fromEntries(fresh.map((key) => [key, one.n])));
            for (const key of one.keys) known.add(`used-${key}`);
            for (const key of fresh) {
              used += one.n;
              known.add(key);
              open.delete(key);
            }
          }
        }
        process.state.isDown = false;
        await process.isWhole();
        const reserved = [...open.values()].reduce((sum, n) => sum + n, 0);
        await waitFor(async () => (await process.gate.status(id)).every(({ state }) => state !== "REBUILDING"), {
          what: "trust in the tenant",
        });
        await process.isWhole();
        expect(await process.stands(id)).toEqual([
          [used, reserved],
          [used, reserved],
        ]);
        const records = steps.filter(({ kind }) => kind === "record").length;
        expect(await process.stands(other)).toEqual([
          [records, 1],
          [records, 1],
        ]);
      }),
      { numRuns: runs(25) },
    );
  });

  test("decide on no tenant that is behind, and on every other", async () => {
    for (const id of ["behind", "beside"]) {
      world.tenant(id, "both");
      expect((await process.consume(id, "warm", 1)).allowed).toBe(true);
    }
    world.tenant("gentle", "soft");
    await process.consume("gentle", "warm", 1);
    process.state.isDown = true;
    await process.record("behind", { a: 900_000 });
    await process.record("gentle", { a: 5 });
    expect((await process.consume("beside", "b", 1)).reason).toBe("COUNTER_REBUILDING");
    expect(process.freshness.behindForMs()).toBeGreaterThan(0);
    process.state.isDown = false;
    const [first, beside, gentle] = await Promise.all([
      process.consume("behind", "b", 500_000),
      process.consume("beside", "b", 1),
      process.consume("gentle", "b", 1),
    ]);
    expect(["COUNTER_REBUILDING", "LIMIT_EXCEEDED"]).toContain(first.reason);
    expect(beside.allowed).toBe(true);
    expect(gentle.allowed).toBe(true);
    await process.isWhole();
    expect((await process.consume("behind", "b", 500_000)).reason).toBe("LIMIT_EXCEEDED");
    expect(process.freshness.behindForMs()).toBe(0);
  });

  test("no process decides without the usage that is settled while the counters are loaded", async () => {
    const settling = openProcess(world);
    const other = openProcess(world, { shared: settling.inProcess });
    world.tenant("young", "both");
    settling.state.beforeLoad = async () => {
      settling.state.beforeLoad = () => Promise.resolve();
      await settling.record("young", { a: 999_990 });
    };
    expect((await settling.consume("young", "first", 50)).reason).toBe("LIMIT_EXCEEDED");
    expect((await other.consume("young", "first", 50)).reason).toBe("LIMIT_EXCEEDED");
    expect((await other.consume("young", "second", 10)).allowed).toBe(true);
    await Promise.all([settling, other].map((one) => one.stop()));
  });

  describe("that another process owes", unlessStopped(), () => {
    let settling: Process;
    let other: Process;
    let id = "";
    beforeEach(async () => {
      settling = openProcess(world);
      other = openProcess(world, { shared: settling.inProcess });
      id = newUuid();
      world.tenant(id, "both");
      await settling.consume(id, "job", 100);
    });
    afterEach(async () => {
      await Promise.all([settling, other].map((one) => one.stop()));
    });

    test("are waited for, and repeated", async () => {
      await settling.record(id, { job: 100, unasked: 999_890 }, true);
      expect((await other.consume(id, "first", 50)).reason).toBe("LIMIT_EXCEEDED");
      expect((await other.consume(id, "second", 10)).allowed).toBe(true);
    });

    test("are waited for, and what holds then decides", async () => {
      await settling.record(id, { job: 100 }, true);
      other.state.beforeRepair = async () => world.tenant(id, "both", { status: "SUSPENDED" });
      expect((await other.consume(id, "first", 1)).reason).toBe("TENANT_SUSPENDED");
    });
  });

  test("what was reserved before a loss counts by the counters' clock, not by that of the process", async () => {
    const before = openProcess(world);
    world.tenant("ahead", "both");
    expect((await before.consume("ahead", "job", 999_990)).allowed).toBe(true);
    const after = openProcess(world, { aheadMs: 50 * MINUTE_MS });
    expect((await after.consume("ahead", "more", 50)).reason).toBe("COUNTER_REBUILDING");
    await Promise.all([before, after].map((one) => one.stop()));
  });

  test("another process on them denies what it cannot know within seconds, and repairs it, also together with others", async () => {
    const settling = openProcess(world);
    const others = [1, 2].map(() => openProcess(world, { shared: settling.inProcess }));
    world.tenant("torn", "both");
    for (const one of others) expect((await one.consume("torn", "job", 100)).allowed).toBe(true);
    await settling.record("torn", { job: 100, unasked: 999_000 }, true);
    const committedAt = performance.now();
    for (const [index, one] of others.entries()) {
      const answer = await waitFor(
        async () => {
          const beganAt = performance.now();
          const { allowed, reason } = await one.consume("torn", `${index}`, 5_000);
          if (beganAt > committedAt + 3_500) expect(allowed, "an answer without what is known for long").toBe(false);
          if (allowed) await one.gate.release("torn", `${index}`);
          return reason === "LIMIT_EXCEEDED";
        },
        { what: "the usage to count" },
      );
      expect(answer).toBe(true);
      await one.isWhole();
    }
    expect(await others[0]?.stands("torn")).toEqual([
      [999_100, 0],
      [999_100, 0],
    ]);
    for (const one of [...others, settling]) await one.stop();
  });

  test("that miss more than is repeated get their usage from the database", async () => {
    const impatient = openProcess(world, { mostEntries: 2 });
    world.tenant("far", "both");
    await impatient.consume("far", "job", 100);
    impatient.state.isDown = true;
    for (let n = 0; n < 4; n += 1) await impatient.record("far", { [`e${n}`]: 10 });
    await impatient.record("far", { job: 100 });
    impatient.state.isDown = false;
    await impatient.isWhole();
    expect(await impatient.stands("far")).toEqual([
      [140, 100],
      [140, 100],
    ]);
    await impatient.stop();
  });

  test("are brought up where a tenant has no plan any more, or is not known", async () => {
    const impatient = openProcess(world, { mostEntries: 2 });
    world.tenant("gone", "both");
    await impatient.consume("gone", "job", 100);
    impatient.state.isDown = true;
    for (let n = 0; n < 4; n += 1) await impatient.record("gone", { [`g${n}`]: 10 });
    world.tenant("gone", null);
    impatient.state.isDown = false;
    await impatient.isWhole();
    world.tenant("gone", "both");
    expect(await impatient.stands("gone"), "what was not kept is built again").toEqual([
      [40, 100],
      [40, 100],
    ]);

    const [observed] = await impatient.inProcess.observe(["ghost"]);
    const load = { tenantId: "ghost", epoch: "e", seq: 1, counters: [], lost: [], hasOwnClock: false };
    await impatient.inProcess.load(load, observed?.token ?? "");
    await world.database.pool.query("INSERT INTO tenant_position (tenant_id, partition, seq) VALUES ('ghost', 0, 5)");
    impatient.freshness.mark("ghost");
    await impatient.isWhole();
    await impatient.stop();
  });
});
