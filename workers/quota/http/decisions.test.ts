import { expect, test } from "vitest";
import { waitFor } from "../../../tests/servers/servers.js";
import { undisturbed } from "../../../tests/support/undisturbed.js";
import { describeRoom } from "../room.testing.js";
import type { World } from "../world.testing.js";

function prepare(world: World): void {
  world.meter("calls");
  world.meter("old");
  world.plan("old", [{ limit: "50", meter: "old" }]);
  world.meter("tokens", { aggregation: "SUM", valueProperty: "n" });
  world.plan("ten", [{ limit: "10" }]);
  world.plan("soft", [{ limit: "2", kind: "SOFT" }]);
  world.plan("requests", [{ limit: "3", meter: null, window: "HOUR" }]);
  world.plan("both", [
    { limit: "5", meter: "calls", window: "DAY" },
    { limit: "2.5", meter: "calls", window: "HOUR" },
  ]);
  world.plan("tokens", [{ limit: "1.5", meter: "tokens" }]);
  world.plan("none", [
    { limit: "0", meter: "tokens" },
    { limit: "0", meter: "calls", window: "DAY" },
  ]);
  world.plan("silent", [{ limit: "0", meter: null, window: "MINUTE" }]);
}

describeRoom("a decision", prepare, (room) => {
  test("every answer says which limits' meter is archived, and that it is no more once the meter is back", async () => {
    const { headers } = room.tenant("archived", "old");
    const request = (idempotencyKey: string, amount = "1") => ({ meter: "old", amount, idempotencyKey });
    const all = async (key: string) => {
      const batch = await room.post("batch", headers, [request(`${key} in a batch`)]);
      const consumed = await room.post("consume", headers, request(key));
      const checked = await room.post("check", headers, request(key));
      const denied = await room.post("consume", headers, request(`${key} denied`, "99"));
      const [inBatch] = Object.values(batch.body) as (typeof batch.body)[];
      return [inBatch, consumed.body, checked.body, denied.body].map((body) => body?.limits[0]?.meterArchived);
    };
    expect(await all("before")).toEqual([undefined, undefined, undefined, undefined]);
    room.world().meter("old", { archivedInVersion: 1 });
    expect(await all("archived")).toEqual([true, true, true, true]);
    const look = { url: "/v1/quota/denial?idempotencyKey=archived+denied", headers };
    const denial = async () => {
      const answer = await room.service().app.inject(look);
      return answer.statusCode === 200 ? answer.json() : undefined;
    };
    expect((await waitFor(denial, { what: "the denial" })).limits).toMatchObject([
      { meter: "old", meterArchived: true },
    ]);
    room.world().meter("old");
    expect(await all("back")).toEqual([undefined, undefined, undefined, undefined]);
  });

  test("consume reserves until the hard limit, then denies with the reason, headers and the same body", async () => {
    const { headers } = room.tenant("consume", "ten");
    const began = Date.now();
    const allowed = await room.post("consume", headers, { meter: "calls", amount: "8", idempotencyKey: "a" });
    expect(allowed.status).toBe(200);
    expect(allowed.body).toMatchObject({
      allowed: true,
      reason: "WITHIN_LIMITS",
      plan: { id: "ten", version: 1 },
      limits: [
        {
          meter: "calls",
          window: "BILLING_PERIOD",
          kind: "HARD",
          limit: "10",
          used: "0",
          reserved: "8",
          remaining: "2",
        },
      ],
    });
    expect(allowed.body.reservationId).toBeDefined();
    expect(Date.parse(allowed.body.expiresAt ?? "") - began).toBeGreaterThan(295_000);
    const denied = await room.post("consume", headers, { meter: "calls", amount: "3", idempotencyKey: "b" });
    expect(denied.status).toBe(429);
    expect(denied.body).toMatchObject({
      allowed: false,
      reason: "LIMIT_EXCEEDED",
      limits: [{ reserved: "8", remaining: "2" }],
    });
    expect(denied.headers["content-type"]).toMatch(/^application\/json/);
    expect(denied.headers["ratelimit-policy"]).toMatch(/^"calls:BILLING_PERIOD";q=10;w=\d+$/);
    expect(denied.headers.ratelimit).toMatch(/^"calls:BILLING_PERIOD";r=2;t=\d+$/);
    expect(Number(denied.headers["retry-after"])).toBeGreaterThan(0);
    expect(
      (await room.post("consume?denyStatus=403", headers, { meter: "calls", amount: "3", idempotencyKey: "b" })).status,
    ).toBe(403);
    expect(
      (await room.post("consume", headers, { meter: "calls", amount: "11", idempotencyKey: "c" })).body.reason,
    ).toBe("AMOUNT_EXCEEDS_LIMIT");
  });

  test("an override applies immediately and until its end, including existing reservations", async () => {
    const override = { meter: "calls", window: "BILLING_PERIOD", limit: "12", reason: "a launch" } as const;
    const { headers, until } = await undisturbed(1_500, async (withinMs, n) => {
      const { id, headers } = room.tenant(`overridden-${n}`, "ten");
      const consume = async (amount: string, idempotencyKey: string) => {
        const { body } = await room.post("consume", headers, { meter: "calls", amount, idempotencyKey });
        return [body.allowed, body.limits[0]?.remaining];
      };
      expect(await consume("10", "a")).toEqual([true, "0"]);
      expect(await consume("1", "b")).toEqual([false, "0"]);
      const until = Date.now() + withinMs;
      room.world().tenant(id, "ten", { quotaOverrides: [{ ...override, until, inVersion: 1 }] });
      expect(await consume("2", "c")).toEqual([true, "0"]);
      expect(await consume("1", "d")).toEqual([false, "0"]);
      return { headers, until };
    });
    await waitFor(() => Date.now() > until, { what: "the override to end" });
    const after = await room.post("check", headers, { meter: "calls" });
    expect(after.body.limits[0]).toMatchObject({ limit: "10", reserved: "12", remaining: "0" });
  });

  test("a meter that is called all is a meter, and not all of them", async () => {
    room.world().meter("all");
    room.world().plan("named", [
      { limit: "1", meter: "calls" },
      { limit: "5", meter: "all" },
    ]);
    const { headers } = room.tenant("named", "named");
    const { body } = await room.post("consume", headers, { meter: "all", amount: "3", idempotencyKey: "a" });
    expect([body.allowed, body.limits.map(({ meter, reserved }) => [meter, reserved])]).toEqual([true, [["all", "3"]]]);
  });

  test("check looks and charges nothing, and amounts are exact in every counter", async () => {
    const { headers } = room.tenant("check", "tokens");
    const check = await room.post("check", headers, { meter: "tokens", amount: "1.51" });
    expect([check.status, check.body.allowed]).toEqual([200, false]);
    const consumed = await room.post("consume", headers, { meter: "tokens", amount: "0.01", idempotencyKey: "a" });
    expect(consumed.body.limits[0]).toMatchObject({ reserved: "0.01", remaining: "1.49" });
    const rest = await room.post("consume", headers, {
      meter: "tokens",
      amount: "1.490000000001",
      idempotencyKey: "b",
    });
    expect([rest.status, rest.body.reason]).toEqual([429, "LIMIT_EXCEEDED"]);
    expect((await room.post("consume", headers, { meter: "tokens", amount: "1.49", idempotencyKey: "b" })).status).toBe(
      200,
    );
  });

  test("a limit of 0 denies everything from the first unit, and no waiting helps", async () => {
    const none = room.tenant("none", "none");
    for (const amount of ["1", "0.000001"]) {
      const denied = await room.post("consume", none.headers, { meter: "tokens", amount, idempotencyKey: amount });
      expect([denied.status, denied.body.reason, room.retryAfter(denied)]).toEqual([429, "AMOUNT_EXCEEDS_LIMIT", null]);
    }
    const looked = await room.post("check", none.headers, { meter: "calls" });
    expect(looked.body).toMatchObject({ allowed: false, limits: [{ meter: "calls", limit: "0", remaining: "0" }] });
    const silent = room.tenant("silent", "silent");
    const request = await room.post("consume", silent.headers, { idempotencyKey: "a" });
    expect([request.status, request.body.reason]).toEqual([429, "AMOUNT_EXCEEDS_LIMIT"]);
  });

  test("several windows of a meter are charged together or not at all", async () => {
    const { headers } = room.tenant("windows", "both");
    expect((await room.post("consume", headers, { meter: "calls", amount: "2", idempotencyKey: "a" })).status).toBe(
      200,
    );
    const denied = await room.post("consume", headers, { meter: "calls", amount: "1", idempotencyKey: "b" });
    expect(denied.status).toBe(429);
    expect(denied.body.limits.map((limit) => limit.reserved)).toEqual(["2", "2"]);
  });

  test("requests count one per consume, for any amount, and release returns them", async () => {
    const { headers } = room.tenant("requests", "requests");
    for (const key of ["a", "b", "c"]) {
      expect((await room.post("consume", headers, { amount: "50", idempotencyKey: key })).status).toBe(200);
    }
    expect((await room.post("consume", headers, { meter: "calls", idempotencyKey: "d" })).body).toMatchObject({
      allowed: false,
      limits: [{ meter: null, used: "3", remaining: "0" }],
    });
    await room.post("release", headers, { idempotencyKey: "a" });
    expect((await room.post("consume", headers, { idempotencyKey: "d" })).status).toBe(200);
  });

  test("a soft limit never denies and reports that it is exceeded", async () => {
    const { headers } = room.tenant("soft", "soft");
    const answer = await room.post("consume", headers, { meter: "calls", amount: "7", idempotencyKey: "a" });
    expect([answer.status, answer.body.reason]).toEqual([200, "SOFT_LIMIT_EXCEEDED"]);
  });

  test("suspended and closed tenants are denied with their reason; without limits everything is allowed", async () => {
    const suspended = room.tenant("suspended", "ten", { status: "SUSPENDED" });
    const closed = room.tenant("closed", "ten", { status: "CLOSED" });
    const free = room.tenant("free", null);
    const request = { meter: "calls", idempotencyKey: "a" };
    expect(await room.post("consume", suspended.headers, request)).toMatchObject({
      status: 429,
      body: { reason: "TENANT_SUSPENDED" },
    });
    expect((await room.post("check", closed.headers, request)).body).toMatchObject({
      allowed: false,
      reason: "TENANT_CLOSED",
    });
    expect((await room.post("consume", free.headers, request)).body).toMatchObject({
      allowed: true,
      reason: "NO_LIMITS",
      limits: [],
    });
  });
});
