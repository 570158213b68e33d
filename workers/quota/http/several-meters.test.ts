import { graphql } from "graphql";
import { expect, test } from "vitest";
import { waitFor } from "../../../tests/servers/servers.js";
import { type Answer, describeRoom, type Room } from "../room.testing.js";
import type { World } from "../world.testing.js";

/** On the clock of all tenants here, so that no period ends meanwhile. */
const AT = Date.UTC(2026, 9, 15);
const PLATFORM = { kind: "SERVICE", id: "test", tenantId: null, roles: ["PLATFORM_ADMIN"], scopes: [] };
const price = (meter: string, unitAmount: string) => ({
  ...{ meter, model: "PER_UNIT" as const, unitAmount, included: "0", packageSize: null, ratePercent: null, tiers: [] },
  ...{ divideBy: "1", roundUp: false, minimumAmount: null, maximumAmount: null, discountPercent: "0", where: [] },
});

function prepare(world: World): void {
  for (const meter of ["input", "output"])
    world.meter(meter, { eventType: "ai", aggregation: "SUM", valueProperty: meter, dimensions: ["user"] });
  world.meter("images", { eventType: "image" });
  world.meter("free");
  const limits = [
    { meter: "input", limit: "100" },
    { meter: "output", limit: "50" },
    { meter: "images", limit: "5" },
    { meter: null, limit: "4" },
  ];
  world.plan("ai", limits);
  world.plan("users", [
    { meter: "input", limit: "100" },
    { meter: "output", limit: "10", by: ["user"] },
  ]);
  const money = { meter: null, unit: "MONEY" as const, window: "BILLING_PERIOD" as const, limit: "10" };
  world.plan("money", [money], [price("input", "0.01"), price("output", "0.1")]);
  world.plan("nothing", []);
}

const usage = (amounts: Readonly<Record<string, number | string>>) =>
  Object.entries(amounts).map(([meter, amount]) => ({ meter, amount }));

/** Used and reserved of each meter. */
const standing = ({ limits }: Answer) =>
  Object.fromEntries(limits.map(({ meter, used, reserved }) => [meter ?? "requests", `${used}+${reserved}`]));

function asking(room: Room, headers: Record<string, string>) {
  const ask = (path: string, amounts: Readonly<Record<string, number | string>>, rest: object = {}) =>
    room.post(path, headers, { usage: usage(amounts), ...rest });
  return {
    ask,
    consume: (idempotencyKey: string, amounts: Readonly<Record<string, number | string>>, rest: object = {}) =>
      ask("consume", amounts, { idempotencyKey, ...rest }),
    stands: async () => standing((await ask("check", { input: 0, output: 0, images: 0 })).body),
  };
}

const tenantOf = (room: Room, name: string, plan: string) => room.tenant(name, plan, { testClock: AT });

describeRoom("a request for several meters", prepare, (room) => {
  test("is one decision under one key: all of it is reserved, or none", async () => {
    const { headers } = tenantOf(room, "together", "ai");
    const { ask, consume, stands } = asking(room, headers);
    expect(standing((await ask("check", { input: 60, output: 30 })).body)).toEqual({
      ...{ input: "0+0", output: "0+0", requests: "0+0" },
    });
    const first = await consume("a", { output: 30, input: 60 });
    expect(first.status).toBe(200);
    expect(standing(first.body)).toEqual({ input: "0+60", output: "0+30", requests: "1+0" });
    expect(first.body.reservationId).toBe("together-".concat(room.backend === "Redis" ? "r" : "m", ":input+output:a"));
    expect(first.headers.ratelimit).toMatch(/"input:\w+";r=40;.*"output:\w+";r=20;.*"requests:\w+";r=3;/);
    const denied = await consume("b", { input: 10, output: 21 });
    expect([denied.status, denied.body.reason]).toEqual([429, "LIMIT_EXCEEDED"]);
    expect((await consume("b", { input: 10, output: 51 })).body.reason).toBe("AMOUNT_EXCEEDS_LIMIT");
    expect(await stands()).toEqual({ input: "0+60", output: "0+30", images: "0+0", requests: "1+0" });
    const answers = await room.batch(headers, [
      { usage: usage({ input: 10, output: 20 }), idempotencyKey: "b" },
      { usage: usage({ images: 1, output: 1 }), idempotencyKey: "c" },
      { operation: "release", idempotencyKey: "a" },
      { usage: usage({ images: 1, output: 30, free: 7 }), idempotencyKey: "c" },
    ]);
    expect(answers.map(({ allowed, released }) => allowed ?? released)).toEqual([true, false, true, true]);
    expect(await stands()).toEqual({ input: "0+10", output: "0+50", images: "0+1", requests: "2+0" });
  });

  test("the same key stands for the same usage, in any order", async () => {
    const { headers } = tenantOf(room, "same", "ai");
    const { consume, stands } = asking(room, headers);
    await consume("a", { input: 6, output: 3 });
    const again = await consume("a", { output: "3.0", input: "6" });
    expect([again.status, again.body.allowed]).toEqual([200, true]);
    for (const [other, text] of [
      [{ output: 4, input: 6 }, "input 6, output 4"],
      [{ input: 6 }, "input 6"],
      [{ input: 6, output: 3, images: 0 }, "images 0, input 6, output 3"],
    ] as const) {
      const { status, body } = await consume("a", other);
      expect([status, body.code]).toEqual([409, "CONFLICT"]);
      expect(body.detail).toContain(`stands for input 6, output 3, not for ${text}`);
    }
    expect((await consume("one", { input: 5 })).status).toBe(200);
    const alone = await room.post("consume", headers, { meter: "input", amount: "5.0", idempotencyKey: "one" });
    expect([alone.status, standing(alone.body)]).toEqual([200, { input: "0+11", requests: "2+0" }]);
    expect(await stands()).toEqual({ input: "0+11", output: "0+3", images: "0+0", requests: "2+0" });
  });

  test("the event with its id settles each meter that it counts for; the rest is open until it is given back", async () => {
    const { id, headers } = tenantOf(room, "settled", "ai");
    const { consume, stands } = asking(room, headers);
    await consume("a", { input: 60, output: 30, images: 2 });
    await room.world().record(id, [{ id: "a", type: "ai", time: AT, data: { input: 55, output: 33, user: "u" } }]);
    await waitFor(async () => (await stands()).input === "55+0", { what: "the event to be settled" });
    expect(await stands()).toEqual({ input: "55+0", output: "33+0", images: "0+2", requests: "1+0" });
    expect((await room.post("release", headers, { idempotencyKey: "a" })).body).toEqual({ released: true });
    expect((await room.post("release", headers, { idempotencyKey: "a" })).body).toEqual({ released: false });
    expect((await consume("a", { input: 60, output: 30, images: 2 })).status).toBe(200);
    const after = { input: "55+0", output: "33+0", images: "0+0", requests: "1+0" };
    expect(await stands()).toEqual(after);
    await consume("b", { output: 2, images: 3 });
    await room.restart();
    expect(await stands()).toEqual({ ...after, output: "33+2", images: "0+3", requests: "2+0" });
    await room.world().record(id, [{ id: "b", type: "image", time: AT }]);
    await waitFor(async () => (await stands()).images === "1+0", { what: "the event to be settled" });
    expect(await stands()).toEqual({ input: "55+0", output: "33+2", images: "1+0", requests: "2+0" });
    expect(await room.differences(id)).toEqual([]);
  });

  test("decides with limits by dimension and in money together", async () => {
    const users = asking(room, tenantOf(room, "users", "users").headers);
    const missing = await users.consume("a", { input: 1, output: 1 });
    expect([missing.status, missing.body.detail]).toEqual([400, expect.stringContaining('needs "user"')]);
    const u1 = { dimensions: { user: "u1" } };
    expect((await users.consume("a", { input: 20, output: 8 }, u1)).status).toBe(200);
    const denied = await users.consume("b", { input: 20, output: 3 }, u1);
    expect([denied.status, standing(denied.body)]).toEqual([429, { input: "0+20", output: "0+8" }]);
    expect((await users.consume("b", { input: 80, output: 3 }, { dimensions: { user: "u2" } })).status).toBe(200);

    const tenant = tenantOf(room, "money", "money");
    const money = asking(room, tenant.headers);
    // 400 at 0.01 and 50 at 0.1: neither alone is beyond 10, both are 9.
    const first = await money.consume("a", { input: 400, output: 50 });
    expect(first.body.limits).toMatchObject([{ unit: "MONEY", used: "0", reserved: "9", remaining: "1" }]);
    expect((await money.consume("b", { input: 60, output: 5 })).body).toMatchObject({ allowed: false });
    expect((await money.consume("b", { input: 600, output: 50 })).body.reason).toBe("AMOUNT_EXCEEDS_LIMIT");
    expect((await money.consume("b", { input: 50, output: 5 })).body.limits).toMatchObject([{ reserved: "10" }]);
    await room
      .world()
      .record(tenant.id, [{ id: "a", type: "ai", time: AT, data: { input: 100, output: 10, user: "u" } }]);
    await waitFor(async () => (await money.ask("check", { input: 0 })).body.limits[0]?.used === "2", {
      what: "the event to be settled",
    });
    expect((await money.ask("check", { input: 0 })).body.limits).toMatchObject([{ used: "2", reserved: "1" }]);
  });

  test("says all that is wrong with it", async () => {
    const { headers } = tenantOf(room, "wrong", "ai");
    const detailOf = async (payload: object) => {
      const { status, body } = await room.post("check", headers, payload);
      expect([status, body.code], body.detail).toEqual([400, "INVALID"]);
      return body.detail ?? "";
    };
    expect(await detailOf({ usage: usage({ inptu: "-1", output: "1e3", images: 1, nowhere: 1 }) })).toBe(
      [
        "usage.0.amount: must not be negative",
        'usage.0.meter: there is no meter "inptu"; did you mean "input"?',
        "usage.1.amount: must be a decimal with at most 18 integer and 12 fractional digits",
        'usage.3.meter: there is no meter "nowhere"',
      ].join(". "),
    );
    const twice = { meter: "input", amount: "1" };
    expect(await detailOf({ usage: [twice, twice] })).toBe('usage.1.meter: "input" is named twice');
    for (const more of [{ meter: "input" }, { amount: "1" }])
      expect(await detailOf({ usage: [twice], ...more })).toBe("usage: stands in the place of meter and amount");
    const odd = await detailOf({ usage: [{ meter: "input" }, { meter: 7, amount: "1", unit: "x" }], ttlSeconds: 0 });
    for (const path of [
      "usage.0.amount: ",
      "usage.1.meter: ",
      "usage.1.unit: is not one of meter, amount",
      "ttlSeconds: ",
    ])
      expect(odd).toContain(path);
    expect(await detailOf({ usage: [] })).toContain("usage: ");
    expect(
      await detailOf({ usage: Array.from({ length: 21 }, (_, n) => ({ meter: `m${n}`, amount: "1" })) }),
    ).toContain("usage: expected array length to be less or equal to 20");
    const inexact = await room.post("check", headers, '{"usage":[{"meter":"input","amount":9007199254740993}]}');
    expect([inexact.body.code, inexact.body.detail]).toEqual([
      ...["NUMBER_NOT_EXACT", expect.stringContaining("usage.0.amount: ")],
    ]);
    const none = tenantOf(room, "none", "nothing");
    expect((await asking(room, none.headers).consume("a", { input: 1, output: 1 })).body).toMatchObject({
      ...{ allowed: true, reason: "NO_LIMITS", limits: [] },
    });
  });

  test("its denial names what it asked for", async () => {
    const { id, headers } = tenantOf(room, "explained", "ai");
    const { consume } = asking(room, headers);
    await consume("a", { output: 51, input: "2.50" });
    const url = "/v1/quota/denial?idempotencyKey=a";
    const found = await waitFor(
      async () => {
        const answer = await room.service().app.inject({ url, headers });
        return answer.statusCode === 200 ? answer.json() : undefined;
      },
      { what: "the denial" },
    );
    const asked = [
      { meter: "input", amount: "2.5" },
      { meter: "output", amount: "51" },
    ];
    expect(found).toMatchObject({ meter: null, amount: "1", usage: asked, reason: "AMOUNT_EXCEEDS_LIMIT" });
    const schema = room.service().service.subgraph?.schema;
    if (schema === undefined) throw new Error("no subgraph");
    const { data } = await graphql({
      schema,
      source: `query ($id: ID!) { _entities(representations: [{ __typename: "Tenant", id: $id }]) { ... on Tenant {
        quotaDenial(idempotencyKey: "a") { meter amount usage { meter amount } } } } }`,
      variableValues: { id },
      contextValue: { identity: PLATFORM },
    });
    expect(JSON.parse(JSON.stringify(data))).toEqual({
      _entities: [{ quotaDenial: { meter: null, amount: "1", usage: asked } }],
    });
  });
});
