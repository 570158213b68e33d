import { expect, test } from "vitest";
import type { PriceState } from "#schema/events/tenancy-changed.v1.js";
import type { RecordedEvent } from "#schema/events/usage-recorded.v1.js";
import { waitFor } from "../../../tests/servers/servers.js";
import { type Answer, describeRoom, type LimitAnswer, type Room } from "../room.testing.js";
import type { World } from "../world.testing.js";

const price = (changes: Partial<PriceState>): PriceState => ({
  ...{ meter: "tokens", model: "PER_UNIT", included: "0", unitAmount: null, packageSize: null, ratePercent: null },
  ...{ tiers: [], divideBy: "1", roundUp: false, minimumAmount: null, maximumAmount: null, discountPercent: "0" },
  where: [],
  ...changes,
});
const tier = (upTo: string | null, unitAmount: string) => ({ upTo, unitAmount, flatAmount: "0" });
const large = [{ dimension: "model", value: "large" }];
const MONEY = { meter: null, unit: "MONEY", window: "BILLING_PERIOD" } as const;

function prepare(world: World): void {
  world.meter("tokens", { aggregation: "SUM", valueProperty: "n", dimensions: ["user", "model"] });
  world.meter("calls");
  world.meter("free");
  world.plan(
    "tiers",
    [{ ...MONEY, limit: "12" }],
    [price({ model: "GRADUATED", tiers: [tier("100", "0.01"), tier(null, "1")] })],
  );
  world.plan(
    "volume",
    [{ ...MONEY, limit: "50" }],
    [price({ model: "VOLUME", tiers: [tier("10", "4"), tier(null, "1")] })],
  );
  world.plan(
    "models",
    [{ ...MONEY, limit: "10", warnAt: ["0.5"], warnAtAmounts: ["8"], warnEvery: "3" }],
    [
      price({ unitAmount: "1", where: large }),
      price({ unitAmount: "0.1", catchAll: true }),
      price({ meter: "calls", unitAmount: "0.005" }),
    ],
  );
  for (const valueProperty of ["input", "output"])
    world.meter(valueProperty, { aggregation: "SUM", valueProperty, eventType: "use.answers" });
  world.plan(
    "answers",
    [{ ...MONEY, limit: "100", warnEvery: "3" }],
    [price({ meter: "input", unitAmount: "1" }), price({ meter: "output", unitAmount: "2" })],
  );
  world.plan("soft", [{ ...MONEY, kind: "SOFT", limit: "1" }], [price({ unitAmount: "1" })]);
  world.plan(
    "both",
    [
      { ...MONEY, limit: "100" },
      { meter: "tokens", window: "HOUR", limit: "5", by: ["user"] },
    ],
    [price({ unitAmount: "1" })],
  );
}

function tenantOf(room: Room, name: string, plan: string | null) {
  const tenant = room.tenant(name, plan);
  const events = new Map<string, RecordedEvent>();
  let keys = 0;
  const ask = (path: string, amount: number, dimensions: Readonly<Record<string, string>> = {}, key = `k${keys++}`) =>
    room.post(path, tenant.headers, { meter: "tokens", amount: String(amount), idempotencyKey: key, dimensions });
  const inMoney = (body: Answer): LimitAnswer | undefined => body.limits.find(({ unit }) => unit === "MONEY");
  return {
    ...tenant,
    ask,
    consume: (amount: number, dimensions?: Readonly<Record<string, string>>, key?: string) =>
      ask("consume", amount, dimensions, key),
    async use(id: string, n: number, data: Readonly<Record<string, string>> = {}, type = "use.tokens"): Promise<void> {
      const [entry] = await room.world().record(tenant.id, [{ id, type, data: { n, ...data } }]);
      if (entry?.kind === "event") events.set(id, entry);
      await room.applied(tenant.id);
    },
    async takeBack(id: string): Promise<void> {
      const event = events.get(id);
      if (event === undefined) throw new Error(`there is no ${id}`);
      const by = { reason: "test", actor: "test" };
      await room.world().publish(tenant.id, [{ kind: "void", tenantId: tenant.id, ...by, event }]);
      await room.applied(tenant.id);
    },
    inMoney,
    shows: (used: string) =>
      waitFor(
        async () => {
          const { body } = await room.post("check", tenant.headers, {});
          const found = inMoney(body);
          return found?.used === used ? found : undefined;
        },
        { what: `${used} to be used` },
      ),
  };
}

describeRoom("limits in money", prepare, (room) => {
  test("a reservation holds a quantity, not an amount that the next tier makes wrong", async () => {
    const tenant = tenantOf(room, "tiers", "tiers");
    await tenant.use("before", 90);
    expect(await tenant.shows("0.9")).toMatchObject({ limit: "12", remaining: "11.1", currency: "EUR" });
    const first = await tenant.consume(10, {}, "a");
    expect(tenant.inMoney(first.body)).toMatchObject({ used: "0.9", reserved: "0.1", remaining: "11" });
    const second = await tenant.consume(10, {}, "b");
    expect(tenant.inMoney(second.body)).toMatchObject({ used: "0.9", reserved: "10.1", remaining: "1" });
    await tenant.use("b", 10);
    expect(await tenant.shows("1")).toMatchObject({ reserved: "10", remaining: "1" });
    const third = await tenant.consume(10);
    expect(third.body).toMatchObject({ allowed: false, reason: "LIMIT_EXCEEDED" });
    expect(third.headers.ratelimit).toContain('"money:BILLING_PERIOD";r=1;');
    expect(third.headers["ratelimit-policy"]).toContain('"money:BILLING_PERIOD";q=12;qu="EUR";w=');
    expect((await tenant.consume(1)).body.allowed).toBe(true);
    await tenant.use("a", 10);
    expect(await tenant.shows("11")).toMatchObject({ reserved: "1", remaining: "0" });
  });

  test("what may cost more on the way to a cheaper tier is not admitted", async () => {
    const tenant = tenantOf(room, "volume", "volume");
    // Ten cost 40, eleven 11: the dearest on the way is ten.
    const first = await tenant.consume(20, {}, "a");
    expect(tenant.inMoney(first.body)).toMatchObject({ used: "0", reserved: "40", remaining: "10" });
    await tenant.use("a", 20);
    expect(await tenant.shows("20")).toMatchObject({ reserved: "0" });
    expect((await tenant.consume(31)).body).toMatchObject({ allowed: false, reason: "LIMIT_EXCEEDED" });
    expect((await tenant.consume(51)).body).toMatchObject({ allowed: false, reason: "AMOUNT_EXCEEDS_LIMIT" });
    expect((await tenant.consume(30)).body.allowed).toBe(true);
  });

  test("usage is rated by the price that claims it, and a request must say which one does", async () => {
    const tenant = tenantOf(room, "models", "models");
    const unnamed = await tenant.consume(1);
    expect(unnamed.body).toMatchObject({ code: "INVALID", detail: expect.stringContaining('"model"') });
    expect(tenant.inMoney((await tenant.consume(3, { model: "large" })).body)).toMatchObject({ reserved: "3" });
    expect(tenant.inMoney((await tenant.consume(10, { model: "small" }, "s")).body)).toMatchObject({ reserved: "4" });
    const calls = await room.post("consume", tenant.headers, { meter: "calls", amount: "3", idempotencyKey: "c" });
    // Half a cent is rounded up, as on the invoice.
    expect(tenant.inMoney(calls.body)).toMatchObject({ reserved: "4.02", remaining: "5.98" });
    expect((await tenant.consume(6, { model: "large" })).body).toMatchObject({ allowed: false });
    expect((await tenant.consume(59, { model: "small" })).body).toMatchObject({ allowed: true });
    await tenant.use("s", 10, {});
    expect(await tenant.shows("1")).toMatchObject({ reserved: "8.92" });
  });

  test("usage that nobody asked for may exceed it, and then everything is denied", async () => {
    const tenant = tenantOf(room, "over", "models");
    await tenant.use("big", 11, { model: "large" });
    expect(await tenant.shows("11")).toMatchObject({ remaining: "0" });
    const call = { meter: "calls", amount: "1", idempotencyKey: "c" };
    for (const request of [call, { idempotencyKey: "r" }, { meter: "free", idempotencyKey: "f" }])
      expect((await room.post("consume", tenant.headers, request)).body).toMatchObject({ allowed: false });
    const alerts = await waitFor(
      async () => {
        const found = await room.world().alerts(tenant.id);
        return found.length >= 4 ? found : undefined;
      },
      { what: "the alerts" },
    );
    expect(alerts.map(({ type, data }) => [type.split(".")[2], data.thresholdKind ?? "SHARE", data.threshold])).toEqual(
      [
        ["warning", "SHARE", "0.5"],
        ["warning", "AMOUNT", "8"],
        ["warning", "AMOUNT", "9"],
        ["exceeded", "SHARE", "1"],
      ],
    );
    expect(alerts[0]).toMatchObject({ data: { meter: null, unit: "MONEY", currency: "EUR", used: "11", limit: "10" } });
    expect(alerts[0]?.id).toMatch(/^over-[mr]:\$:BILLING_PERIOD:models@1:/);
  });

  test("an entry that several meters count passes one multiple, the highest", async () => {
    const tenant = tenantOf(room, "answers", "answers");
    const answered = (id: string, input: number, output: number) => ({
      id,
      type: "use.answers",
      data: { input, output },
    });
    await room.world().record(tenant.id, [answered("a1", 4, 3), answered("a2", 1, 0), answered("a3", 2, 1)]);
    await tenant.shows("15");
    const alerts = await waitFor(
      async () => {
        const found = await room.world().alerts(tenant.id);
        return found.length >= 2 ? found : undefined;
      },
      { what: "the alerts" },
    );
    expect(alerts.map(({ data }) => [data.threshold, data.used])).toEqual([
      ["9", "10"],
      ["15", "15"],
    ]);
  });

  test("a soft limit never denies", async () => {
    const tenant = tenantOf(room, "soft", "soft");
    expect((await tenant.consume(5)).body).toMatchObject({ allowed: true, reason: "SOFT_LIMIT_EXCEEDED" });
  });

  test("with other limits it is one decision: none is charged when one denies", async () => {
    const tenant = tenantOf(room, "both", "both");
    expect((await tenant.consume(6, { user: "u" })).body.allowed).toBe(false);
    const allowed = await tenant.consume(5, { user: "u" });
    expect(allowed.body.limits.map(({ reserved }) => reserved)).toEqual(["5", "5"]);
    const released = await room.post("release", tenant.headers, { idempotencyKey: "k1" });
    expect(released.body).toMatchObject({ released: true });
    expect(await tenant.shows("0")).toMatchObject({ reserved: "0", remaining: "100" });
  });

  test("a first plan counts what was used before anybody knew by what, also after a restart and a loss", async () => {
    const tenant = tenantOf(room, "first", null);
    await tenant.use("l1", 2, { model: "large", user: "u1" });
    await tenant.use("s1", 10, { model: "small" });
    await tenant.use("n1", 10);
    room.world().tenant(tenant.id, "models");
    // Two large ones, and two tenths of twenty others.
    expect(await tenant.shows("4")).toMatchObject({ remaining: "6" });
    await tenant.use("l2", 1, { model: "large" });
    expect(await tenant.shows("5")).toMatchObject({ remaining: "5" });
    await tenant.takeBack("l1");
    expect(await tenant.shows("3")).toMatchObject({ remaining: "7" });
    expect((await tenant.consume(7, { model: "large" }, "held")).body.allowed).toBe(true);
    await room.restart("kill");
    const shown = await tenant.shows("3");
    expect(BigInt(shown.remaining)).toBe(0n);
    expect(await room.differences(tenant.id)).toEqual([]);
  });

  test("a backfill counts by the prices that claim it, until it is taken back", async () => {
    const tenant = tenantOf(room, "filled", null);
    const old = `old-${room.backend === "Redis" ? "r" : "m"}`;
    await tenant.use("a", 3, { model: "large" }, `use.${old}`);
    await tenant.use("b", 40, { model: "small" }, `use.${old}`);
    room.world().meter(old, { aggregation: "SUM", valueProperty: "n", dimensions: ["model"] });
    room
      .world()
      .plan(
        `${old}-plan`,
        [{ ...MONEY, limit: "9" }],
        [
          price({ meter: old, unitAmount: "1", where: large }),
          price({ meter: old, unitAmount: "0.1", catchAll: true }),
        ],
      );
    room.world().tenant(tenant.id, `${old}-plan`);
    expect(await tenant.shows("0")).toMatchObject({ remaining: "9" });
    await room.world().publish(tenant.id, [{ kind: "backfill", meterKey: old }]);
    expect(await tenant.shows("7")).toMatchObject({ remaining: "2" });
    await tenant.takeBack("a");
    expect(await tenant.shows("4")).toMatchObject({ remaining: "5" });
    expect(await room.differences(tenant.id)).toEqual([]);
  });

  test("an override sets another amount, or makes it soft, until it ends", async () => {
    const tenant = tenantOf(room, "helped", "models");
    await tenant.use("big", 12, { model: "large" });
    await tenant.shows("12");
    expect((await tenant.consume(1, { model: "large" })).body).toMatchObject({ allowed: false });
    const override = { meter: null, unit: "MONEY", window: "BILLING_PERIOD", reason: "a launch" } as const;
    const until = Date.now() + 10 * 24 * 60 * 60 * 1000;
    const helped = (changes: { readonly limit: string; readonly kind?: "SOFT" }) =>
      room.world().tenant(tenant.id, "models", {
        quotaOverrides: [{ ...override, ...changes, until, inVersion: room.world().tenancy.version() + 1 }],
      });
    helped({ limit: "20" });
    expect(tenant.inMoney((await tenant.consume(1, { model: "large" })).body)).toMatchObject({ limit: "20" });
    expect((await tenant.consume(8, { model: "large" })).body).toMatchObject({ allowed: false });
    helped({ limit: "10", kind: "SOFT" });
    expect((await tenant.consume(8, { model: "large" })).body).toMatchObject({ reason: "SOFT_LIMIT_EXCEEDED" });
  });
});
