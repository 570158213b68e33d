import { type DocumentNode, execute, parse } from "graphql";
import { expect, test } from "vitest";
import type { RecordedEvent } from "#schema/events/usage-recorded.v1.js";
import { waitFor } from "../../tests/servers/servers.js";
import { describeRoom, type Room, type RoomTenant } from "./room.testing.js";
import type { World } from "./world.testing.js";

function prepare(world: World): void {
  world.meter("tokens", { aggregation: "SUM", valueProperty: "n", dimensions: ["user", "model"] });
  const limit = { meter: "tokens", warnAt: ["0.8"] };
  world.plan("per-user", [
    { ...limit, limit: "1000" },
    { ...limit, limit: "100", by: ["user"] },
    { ...limit, window: "HOUR", limit: "50", by: ["user"], where: [{ dimension: "model", value: "large" }] },
  ]);
  world.plan("filtered", [{ ...limit, limit: "10", where: [{ dimension: "model", value: "large" }] }]);
  world.plan("pairs", [{ ...limit, limit: "10", by: ["user", "model"] }]);
  world.plan("odd", [{ meter: null, window: "MINUTE", limit: "1", by: ["__proto__", "constructor"] }]);
  world.plan("rate", [{ meter: null, window: "MINUTE", limit: "2", by: ["user"] }]);
  world.plan("soft", [{ ...limit, kind: "SOFT", limit: "10", by: ["user"] }]);
  world.plan("minute", [{ ...limit, window: "MINUTE", limit: "10", by: ["user"] }]);
}

const QUOTAS: DocumentNode = parse(`query ($id: ID!, $dimensions: [DimensionMatchInput!]) {
  _entities(representations: [{ __typename: "Tenant", id: $id }]) { ... on Tenant {
    quotas(meter: "tokens", dimensions: $dimensions) { limit { window by where { value } } dimensions { value } used } } } }`);
const PLATFORM = { kind: "SERVICE", id: "test", tenantId: null, roles: ["PLATFORM_ADMIN"], scopes: [] };

interface Shown {
  readonly limit: { readonly window: string; readonly by: readonly string[] };
  readonly dimensions: readonly { readonly value: string }[];
  readonly used: string;
}

function tenantOf(room: Room, name: string, plan: string | null) {
  const tenant: RoomTenant = room.tenant(name, plan);
  const events = new Map<string, RecordedEvent>();
  let keys = 0;
  const ask = (path: string, user: string | undefined, amount: number, model = "small", key = `k${keys++}`) =>
    room.post(path, tenant.headers, {
      meter: "tokens",
      amount: String(amount),
      idempotencyKey: key,
      dimensions: { ...(user !== undefined && { user }), model },
    });
  return {
    ...tenant,
    ask,
    consume: (user: string, amount: number, model?: string, key?: string) => ask("consume", user, amount, model, key),
    async use(id: string, n: number, data: Readonly<Record<string, unknown>>): Promise<void> {
      const [entry] = await room.world().record(tenant.id, [{ id, type: "use.tokens", data: { n, ...data } }]);
      events.set(id, entry as RecordedEvent);
      await room.applied(tenant.id);
    },
    events,
    /** Used, and by whom, of the limit by user and billing period. */
    async quotas(dimensions: readonly { readonly dimension: string; readonly value: string }[]): Promise<string[]> {
      const schema = room.service().service.subgraph?.schema;
      if (schema === undefined) throw new Error("no subgraph");
      const variableValues = { id: tenant.id, dimensions };
      const contextValue = { identity: PLATFORM };
      const answer = await execute({ schema, document: QUOTAS, variableValues, contextValue });
      if (answer.errors !== undefined) throw Object.assign(new Error("refused"), { errors: answer.errors });
      const found: { _entities: [{ quotas: Shown[] }] } = JSON.parse(JSON.stringify(answer.data));
      return found._entities[0].quotas
        .filter(({ limit }) => limit.by.length > 0 && limit.window === "BILLING_PERIOD")
        .map((quota) => `${quota.used} ${quota.dimensions[0]?.value}`);
    },
    /** Waits until the user's limit by the billing period shows this usage. */
    shows: (user: string, used: string, index = 1) =>
      waitFor(
        async () => {
          const { body } = await ask("check", user, 0);
          return body.limits[index]?.used === used ? body.limits[index] : undefined;
        },
        { what: `${user} to show ${used} used` },
      ),
  };
}

describeRoom(
  "limits by dimension",
  prepare,
  (room) => {
    test("each user has a counter of its own, and a denial by it charges no other limit", async () => {
      const tenant = tenantOf(room, "own", "per-user");
      const first = await tenant.consume("u1", 90);
      expect(first.body).toMatchObject({ allowed: true, reason: "WITHIN_LIMITS" });
      expect(first.body.limits).toMatchObject([
        { reserved: "90", limit: "1000" },
        { reserved: "90", limit: "100", dimensions: [{ dimension: "user", value: "u1" }] },
      ]);
      expect((await tenant.consume("u1", 20)).body).toMatchObject({ allowed: false, reason: "LIMIT_EXCEEDED" });
      const other = await tenant.consume("u2", 100);
      expect(other.body.limits).toMatchObject([{ reserved: "190" }, { reserved: "100", remaining: "0" }]);
      expect(other.headers.ratelimit).toContain('"tokens:BILLING_PERIOD:user=u2";r=0');
    });

    test("a limit with a filter counts and asks only what matches", async () => {
      const tenant = tenantOf(room, "filter", "per-user");
      expect((await tenant.consume("u1", 60, "small")).body.limits).toHaveLength(2);
      const large = await tenant.consume("u1", 40, "large");
      expect(large.body.limits).toMatchObject([
        {},
        { reserved: "100" },
        { window: "HOUR", reserved: "40", where: [{ dimension: "model", value: "large" }] },
      ]);
      const filtered = tenantOf(room, "only", "filtered");
      expect((await filtered.consume("u1", 11, "small")).body).toMatchObject({ allowed: true, reason: "NO_LIMITS" });
      expect((await filtered.consume("u1", 11, "large")).body.reason).toBe("AMOUNT_EXCEEDS_LIMIT");
    });

    test("a request without the dimensions that limits count by is invalid, and names them", async () => {
      const tenant = tenantOf(room, "missing", "per-user");
      const answer = await room.post("consume", tenant.headers, { meter: "tokens", idempotencyKey: "a" });
      expect(answer.status).toBe(400);
      expect(answer.body).toMatchObject({ code: "INVALID", detail: expect.stringMatching(/"user".*"model"/) });
      const [wrong, right] = await room.batch(tenant.headers, [
        { meter: "tokens", idempotencyKey: "b", dimensions: { model: "small" } },
        { meter: "tokens", idempotencyKey: "c", dimensions: { user: "u1", model: "small", other: "x" } },
      ]);
      expect(wrong).toMatchObject({ code: "INVALID" });
      expect(right).toMatchObject({ allowed: true });
    });

    test("a key stands for its dimensions, too", async () => {
      const tenant = tenantOf(room, "key", "per-user");
      expect((await tenant.consume("u1", 5, "small", "same")).body.allowed).toBe(true);
      expect((await tenant.consume("u1", 5, "small", "same")).body.limits[1]?.reserved).toBe("5");
      const other = await tenant.consume("u2", 5, "small", "same");
      expect([other.status, other.body.code]).toEqual([409, "CONFLICT"]);
    });

    test('recorded usage settles by its own dimensions, and without one has the value ""', async () => {
      const tenant = tenantOf(room, "settle", "per-user");
      await tenant.consume("u1", 60, "small", "job");
      await tenant.use("job", 30, { user: "u1" });
      expect(await tenant.shows("u1", "30")).toMatchObject({ reserved: "0", remaining: "70" });
      await tenant.use("unasked", 7, {});
      expect(await tenant.shows("", "7")).toMatchObject({ dimensions: [{ dimension: "user", value: "" }] });
      expect(await tenant.shows("u1", "30")).toMatchObject({ remaining: "70" });
      expect(await tenant.shows("u3", "0")).toMatchObject({ remaining: "100" });
    });

    test.each(["stop", "kill"] as const)("counters come back after a %s as the database has them", async (how) => {
      const tenant = tenantOf(room, `again-${how}`, "per-user");
      await tenant.use("before", 95, { user: "u1", model: "large" });
      await tenant.shows("u1", "95");
      await tenant.consume("u2", 10, "small", "held");
      await room.restart(how);
      // What was reserved before a loss counts for every user until it would have ended: nobody knows whose it was.
      const isLost = how === "kill" && room.backend === "in process";
      expect(await tenant.shows("u1", "95")).toMatchObject({ remaining: isLost ? "0" : "5" });
      const denied = await tenant.consume("u1", 6);
      expect(denied.body.allowed).toBe(false);
      const { body } = await tenant.ask("check", "u2", 91);
      expect(body.allowed).toBe(false);
    });

    test("requests are limited by user and minute", async () => {
      const tenant = tenantOf(room, "rate", "rate");
      const ask = (user: string, key: string) =>
        room.post("consume", tenant.headers, { idempotencyKey: key, dimensions: { user } });
      const answers = [await ask("u1", "a"), await ask("u1", "b"), await ask("u1", "c"), await ask("u2", "d")];
      expect(answers.map(({ body }) => body.allowed)).toEqual([true, true, false, true]);
      await room.post("release", tenant.headers, { idempotencyKey: "a" });
      expect((await ask("u1", "e")).body.allowed).toBe(true);
    });

    test("a short window frees what its own user released", async () => {
      const tenant = tenantOf(room, "short", "minute");
      await tenant.consume("u1", 10, "small", "one");
      await tenant.consume("u2", 10, "small", "two");
      await room.post("release", tenant.headers, { idempotencyKey: "two" });
      expect((await tenant.consume("u1", 1)).body.allowed).toBe(false);
      expect((await tenant.consume("u2", 10)).body.allowed).toBe(true);
    });

    test("more combinations than a tenant may have are denied, those that are there are not", async () => {
      const tenant = tenantOf(room, "many", "per-user");
      for (let n = 0; n < 20; n += 1)
        expect((await tenant.consume(`u${n}`, 1, "small", `n${n}`)).body.allowed).toBe(true);
      const denied = await tenant.consume("u20", 1);
      expect([denied.status, denied.body.reason, room.retryAfter(denied)]).toEqual([429, "DIMENSION_LIMIT", null]);
      expect((await tenant.consume("u3", 1)).body.allowed).toBe(true);
      await room.post("release", tenant.headers, { idempotencyKey: "n0" });
      expect((await tenant.consume("u20", 1)).body.allowed).toBe(true);
      const soft = tenantOf(room, "soft", "soft");
      for (let n = 0; n < 22; n += 1) expect((await soft.consume(`u${n}`, 1)).body.allowed).toBe(true);
    });

    test("combinations that were looked at before count once they are used", async () => {
      const tenant = tenantOf(room, "looked-at", "per-user");
      for (let n = 0; n < 22; n += 1) expect((await tenant.ask("check", `u${n}`, 1)).body.allowed).toBe(true);
      for (let n = 0; n < 20; n += 1) {
        expect((await tenant.consume(`u${n}`, 1, "small", `used-${n}`)).body.allowed).toBe(true);
        await tenant.use(`used-${n}`, 1, { user: `u${n}` });
      }
      await tenant.shows("u19", "1");
      expect((await tenant.consume("u20", 1)).body.reason).toBe("DIMENSION_LIMIT");
      expect((await tenant.consume("u19", 1)).body.allowed).toBe(true);
    });

    test("whatever the values hold, each combination is one, as the client and the event spell it", async () => {
      const tenant = tenantOf(room, "odd", "pairs");
      const pairs = [
        ["a", "b,c"],
        ["a,b", "c"],
        ['a","b', "c"],
        ["a|b", "c"],
        ["a", "b|c"],
        ["", "a"],
        ["a", ""],
        ["__proto__", "constructor"],
        ["\u00fa", "\n\t\u007f"],
        ["u\u0301", "\n\t\u007f"],
        ["\u{1f4a5}".repeat(32), "x".repeat(128)],
      ] as const;
      for (const [user, model] of pairs) expect((await tenant.consume(user, 10, model)).body.allowed).toBe(true);
      for (const [user, model] of pairs) {
        const denied = await tenant.consume(user, 1, model);
        expect(denied.body.reason).toBe("LIMIT_EXCEEDED");
        expect(denied.headers.ratelimit).toMatch(/^"tokens:BILLING_PERIOD:[!-~]+";r=0;t=\d+$/);
      }
      for (const wrong of ["x".repeat(129), "\u0000", "\ud800"])
        expect((await tenant.consume(wrong, 1)).body.code).toBe("INVALID");
    });

    test("an event's number or boolean is the text of it, and null is no value", async () => {
      const tenant = tenantOf(room, "typed", "pairs");
      const given: readonly (readonly [string, Readonly<Record<string, unknown>>, string, string])[] = [
        ["number", { user: 42, model: 1.5 }, "42", "1.5"],
        ["boolean", { user: true, model: "m" }, "true", "m"],
        ["null", { user: null, model: "m" }, "", "m"],
        ["more", { user: "u", model: "m", region: "eu" }, "u", "m"],
      ];
      for (const [id, data, user, model] of given) {
        expect((await tenant.consume(user, 10, model, id)).body.allowed).toBe(true);
        await tenant.use(id, 9, data);
        await waitFor(async () => (await tenant.ask("check", user, 1, model)).body.allowed, {
          what: `${id} to settle`,
        });
        expect((await tenant.ask("check", user, 2, model)).body.allowed).toBe(false);
      }
    });

    test("names of every object's members are dimensions as others are", async () => {
      const tenant = tenantOf(room, "members", "odd");
      const ask = (dimensions: object, key: string) =>
        room.post("consume", tenant.headers, { idempotencyKey: key, dimensions });
      expect((await ask({}, "none")).body.detail).toMatch(/"__proto__", "constructor"/);
      const both = (value: string) => JSON.parse(`{"__proto__": ${JSON.stringify(value)}, "constructor": "c"}`);
      const answers = [await ask(both("a"), "a"), await ask(both("b"), "b"), await ask(both("a"), "c")];
      expect(answers.map(({ body }) => body.allowed)).toEqual([true, true, false]);
      expect(answers[2]?.body.limits).toMatchObject([{ dimensions: [{ value: "a" }, { value: "c" }] }]);
    });

    test("usage counts from the assignment of the plan on, and a void takes back what was counted", async () => {
      const tenant = tenantOf(room, "from", null);
      await tenant.use("before", 40, { user: "u1" });
      room.world().tenant(tenant.id, "per-user");
      await tenant.use("after", 30, { user: "u1" });
      expect(await tenant.shows("u1", "70", 0)).toMatchObject({ limit: "1000" });
      expect(await tenant.shows("u1", "30")).toMatchObject({ limit: "100" });
      for (const id of ["before", "after"]) {
        const event = tenant.events.get(id);
        if (event === undefined) throw new Error(`no event ${id}`);
        await room
          .world()
          .publish(tenant.id, [{ kind: "void", tenantId: tenant.id, reason: "wrong", actor: "me", event }]);
      }
      await room.applied(tenant.id);
      await tenant.shows("u1", "0", 0);
      await tenant.shows("u1", "0");
    });

    test("the graph shows the combinations that are used most, those that match, and one that is named", async () => {
      const tenant = tenantOf(room, "shown", "per-user");
      for (const [user, n] of Object.entries({ u1: 5, u2: 50, u3: 20 })) await tenant.use(user, n, { user });
      await tenant.shows("u2", "50");
      expect(await tenant.quotas([])).toEqual(["50 u2", "20 u3", "5 u1"]);
      expect(await tenant.quotas([{ dimension: "user", value: "u3" }])).toEqual(["20 u3"]);
      expect(await tenant.quotas([{ dimension: "user", value: "nobody" }])).toEqual(["0 nobody"]);
      const pairs = tenantOf(room, "shown-pairs", "pairs");
      for (const value of ["x".repeat(129), "\u0000", "\ud800"])
        await expect(pairs.quotas([{ dimension: "user", value }])).rejects.toMatchObject({
          errors: [{ originalError: { code: "INVALID" } }],
        });
    });

    test("alerts name the combination, once for each", async () => {
      const tenant = tenantOf(room, "told", "per-user");
      await tenant.use("a", 85, { user: "u1", model: "small" });
      await tenant.use("b", 85, { user: "u2", model: "small" });
      await tenant.use("c", 20, { user: "u1", model: "small" });
      const alerts = await waitFor(
        async () => {
          const told = await room.world().alerts(tenant.id);
          return told.length >= 3 ? told : undefined;
        },
        { what: "the alerts" },
      );
      expect(
        alerts.map(({ type, data }) => [type, data.threshold, data.dimensions?.map(({ value }) => value), data.used]),
      ).toEqual([
        ["metrly.quota.warning.v1", "0.8", ["u1"], "85"],
        ["metrly.quota.warning.v1", "0.8", ["u2"], "85"],
        ["metrly.quota.exceeded.v1", "1", ["u1"], "105"],
      ]);
      expect(new Set(alerts.map(({ id }) => id)).size).toBe(3);
    });
  },
  { maxCombinations: 20 },
);
