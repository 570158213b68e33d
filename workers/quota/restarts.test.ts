import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { manualClock } from "#kernel/clock.js";
import { HOUR_MS } from "#kernel/duration.js";
import { hasPostgres, waitFor } from "../../tests/servers/servers.js";
import { refuseOnce } from "../../tests/support/refuse-once.js";
import { describeRoom, type LimitAnswer } from "./room.testing.js";
import { openWorld, type StartedService, type World } from "./world.testing.js";

function prepare(world: World): void {
  world.meter("calls");
  world.meter("units", { aggregation: "SUM", valueProperty: "n", eventType: "use.units" });
  world.plan("thousand", [{ meter: "units", limit: "1000", warnAt: ["0.8"] }]);
  world.plan("minute", [
    { meter: "units", limit: "1000" },
    { meter: "calls", limit: "100000", window: "MINUTE" },
  ]);
}

const stands = (limit: LimitAnswer | undefined): string =>
  `used ${limit?.used} reserved ${limit?.reserved} remaining ${limit?.remaining}`;

describeRoom("an orderly restart", prepare, (room) => {
  const job = { meter: "units", amount: "600", idempotencyKey: "job", ttlSeconds: 86_400 };

  test("the first request may release what was reserved before", async () => {
    const { headers } = room.tenant("released", "thousand");
    expect((await room.post("consume", headers, job)).status).toBe(200);
    await room.restart();
    expect((await room.post("release", headers, { idempotencyKey: "job" })).body).toEqual({ released: true });
    expect(stands(await room.look(headers, "units"))).toBe("used 0 reserved 0 remaining 1000");
  });

  test("the first settlement takes the place of what was reserved before", async () => {
    const tenant = room.tenant("settled", "thousand");
    await room.post("consume", tenant.headers, job);
    await room.restart();
    await room.use(tenant.id, "use.units", { job: 600 });
    expect(stands(await room.shows(tenant, "units", "600"))).toBe("used 600 reserved 0 remaining 400");
    expect((await room.post("consume", tenant.headers, { ...job, amount: "400", idempotencyKey: "rest" })).status).toBe(
      200,
    );
  });

  test("a key is not charged again, and short windows do not deny as if they were lost", async () => {
    const { headers } = room.tenant("asked", "minute");
    const first = await room.post("consume", headers, job);
    await room.post("consume", headers, { meter: "calls", idempotencyKey: "call" });
    await room.restart();
    expect((await room.post("consume", headers, job)).body).toEqual(first.body);
    expect((await room.post("check", headers, { meter: "calls" })).body.reason).toBe("WITHIN_LIMITS");
    expect(stands(await room.look(headers, "units"))).toBe("used 0 reserved 600 remaining 400");
  });

  test("nothing is lost where the database ends the session that reads what was saved", async () => {
    const { headers } = room.tenant("ended", "thousand");
    await room.post("consume", headers, job);
    const endRefusal = await refuseOnce(room.world().database.pool, "counters_start");
    await room.restart();
    await endRefusal();
    expect(stands(await room.look(headers, "units"))).toBe("used 0 reserved 600 remaining 400");
  });

  test("what is saved is valid once: a crash after the start is a loss", async () => {
    const { headers } = room.tenant("once", "thousand");
    await room.post("consume", headers, job);
    await room.restart();
    await room.post("release", headers, { idempotencyKey: "job" });
    await room.restart("kill");
    expect((await room.post("release", headers, { idempotencyKey: "job" })).body).toEqual({ released: false });
    expect(Number((await room.look(headers, "units"))?.used)).toBe(0);
  });
});

describe.skipIf(!hasPostgres)("a crash with counters in the process", () => {
  /** 2 % of the limit. */
  const BLOCK = 20;
  const clock = manualClock(Date.now());
  let world: World;
  let service: StartedService;
  beforeAll(async () => {
    world = await openWorld({ clock });
    prepare(world);
  });
  beforeEach(async () => {
    service = await world.startService();
  });
  afterEach(async () => service.stop());
  afterAll(() => world.close());

  const tenant = (id: string) => {
    world.tenant(id, "thousand");
    return { id, headers: world.key(id) };
  };
  type Tenant = ReturnType<typeof tenant>;
  const ask = async (path: string, { headers }: Tenant, payload: object) => {
    const response = await service.app.inject({ method: "POST", url: `/v1/quota/${path}`, headers, payload });
    return { status: response.statusCode, headers: response.headers, body: response.json() };
  };
  const consume = (who: Tenant, amount: number, idempotencyKey: string, ttlSeconds = 300) =>
    ask("consume", who, { meter: "units", amount: String(amount), idempotencyKey, ttlSeconds });
  const limitOf = async (who: Tenant): Promise<LimitAnswer> => {
    const { body } = await ask("check", who, { meter: "units", amount: "0" });
    return body.limits[0];
  };
  const held = async (who: Tenant): Promise<number> => {
    const { used, reserved } = await limitOf(who);
    return Number(used) + Number(reserved);
  };
  const use = async ({ id }: Tenant, key: string, n: number): Promise<void> => {
    await world.record(id, [{ id: key, type: "use.units", data: { n } }]);
    await waitFor(() => world.appliedSeq(id), { what: "the usage" });
  };
  const crash = async (): Promise<void> => {
    await service.kill();
    service = await world.startService();
  };
  /** Until the database knows what is open. */
  const boundIs = (who: Tenant, most: number) =>
    waitFor(
      async () => {
        const { rows } = await world.database.pool.query<{ sum: string | null }>(
          "SELECT sum(bound) AS sum FROM granted_bound WHERE tenant_id = $1 AND expires_at > $2",
          [who.id, new Date(clock.now())],
        );
        return Number(rows[0]?.sum ?? 0) <= most;
      },
      { what: `a bound of at most ${most}` },
    );

  test("costs at most a block beyond what was open, whatever was settled, released or had expired before", async () => {
    const [settled, released, expired, open] = ["settled", "released", "expired", "open"].map(tenant) as [
      Tenant,
      Tenant,
      Tenant,
      Tenant,
    ];
    await consume(settled, 600, "job");
    await use(settled, "job", 600);
    await consume(released, 950, "large");
    await ask("release", released, { idempotencyKey: "large" });
    await consume(released, 1, "long", 86_400);
    await ask("release", released, { idempotencyKey: "long" });
    await consume(expired, 950, "brief", 2);
    await consume(open, 300, "running", 120);
    clock.advance(2_000);
    for (const who of [settled, released, expired]) await boundIs(who, BLOCK);
    await crash();
    expect(await held(settled)).toBeGreaterThanOrEqual(600);
    expect(await held(settled)).toBeLessThanOrEqual(600 + BLOCK);
    expect(await held(released)).toBeLessThanOrEqual(BLOCK);
    expect(await held(expired)).toBeLessThanOrEqual(BLOCK);
    expect(await held(open)).toBeGreaterThanOrEqual(300);
    expect(await held(open)).toBeLessThanOrEqual(300 + BLOCK);
    expect((await consume(settled, 300, "next")).status).toBe(200);
    expect((await consume(released, 900, "next")).status).toBe(200);
    const denied = await consume(open, 750, "more");
    expect([denied.status, denied.body.reason]).toEqual([429, "COUNTER_REBUILDING"]);
    expect(Number(denied.headers["retry-after"])).toBeGreaterThan(0);
    expect(Number(denied.headers["retry-after"])).toBeLessThanOrEqual(120 + 900);
    for (const { id } of [settled, released, expired, open])
      expect((await world.alerts(id)).filter(({ type }) => type.includes("exceeded"))).toEqual([]);
  });

  test("three in a row cost at most a block each, and what is lost ends by itself", async () => {
    const who = tenant("ratchet");
    await consume(who, 10, "open", 3_600);
    for (let n = 0; n < 3; n += 1) {
      await crash();
      expect(await held(who)).toBeLessThanOrEqual(10 + n * 5 + (n + 1) * BLOCK);
      expect(await held(who)).toBeGreaterThanOrEqual(10 + n * 5);
      expect((await consume(who, 5, `again-${n}`, 3_600)).status).toBe(200);
    }
    const denied = await consume(who, 980, "much");
    expect(denied.body.reason).toBe("COUNTER_REBUILDING");
    clock.advance((Number(denied.headers["retry-after"]) - 1) * 1_000);
    expect((await consume(who, 980, "much")).status).toBe(429);
    clock.advance(1_000);
    expect((await consume(who, 980, "much")).status).toBe(200);
    clock.advance(HOUR_MS + 600_000);
    expect(await held(who)).toBe(0);
  });

  test("denies in short windows for their length, and not again after an orderly restart", async () => {
    world.tenant("short", "minute");
    const who = { id: "short", headers: world.key("short") };
    const call = async () => (await ask("check", who, { meter: "calls" })).body.reason;
    await ask("consume", who, { meter: "calls", idempotencyKey: "a" });
    await crash();
    expect(await call()).toBe("COUNTER_REBUILDING");
    await crash();
    clock.advance(61_000);
    await service.stop();
    service = await world.startService();
    expect(await call()).toBe("WITHIN_LIMITS");
  });

  test("what settles after it counts, and its reservation counts as lost until its own end", async () => {
    const who = tenant("late");
    await consume(who, 300, "job", 60);
    await crash();
    await use(who, "job", 250);
    await waitFor(async () => (await limitOf(who)).used === "250", { what: "the usage" });
    expect(Number((await limitOf(who)).reserved)).toBeGreaterThanOrEqual(300);
    expect((await consume(who, 300, "next")).status).toBe(200);
    expect((await consume(who, 400, "more")).body.reason).toBe("COUNTER_REBUILDING");
  });
});

describe.skipIf(!hasPostgres)("a crash under a test clock", () => {
  test("at the same time on the tenant's clock, after the hourly clean-up, nothing more is admitted", async () => {
    const world = await openWorld();
    prepare(world);
    world.plan("requests", [{ meter: null, limit: "10" }]);
    world.plan("requests-day", [{ meter: null, limit: "10", window: "DAY" }]);
    world.plan("units", [{ meter: "units", limit: "10" }]);
    const testClock = Date.UTC(2026, 0, 10, 8);
    let service = await world.startService();
    const { pruneUsage } = await import("./store/pruning.js");
    const asked = ["requests", "requests-day", "units"];
    for (const id of asked) world.tenant(id, id, { testClock });
    const keys = new Map(asked.map((id) => [id, world.key(id)]));
    async function admitted(id: string, prefix: string): Promise<number> {
      let n = 0;
      for (let i = 0; i < 15; i += 1) {
        const request = { idempotencyKey: `${prefix}${i}`, ...(id === "units" && { meter: id, ttlSeconds: 86_400 }) };
        const url = "/v1/quota/consume";
        const response = await service.app.inject({
          method: "POST",
          url,
          headers: keys.get(id) ?? {},
          payload: request,
        });
        n += response.statusCode === 200 ? 1 : 0;
      }
      return n;
    }
    for (const id of asked) expect(await admitted(id, "a")).toBe(10);
    await pruneUsage(world.database, { now: Date.now(), testClocks: new Map(asked.map((id) => [id, testClock])) });
    await service.kill();
    service = await world.startService();
    for (const id of asked) expect(await admitted(id, "b")).toBe(0);
    await service.stop();
    await world.close();
  });
});
