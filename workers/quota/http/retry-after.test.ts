import { expect, test } from "vitest";
import { HOUR_MS, MINUTE_MS } from "#kernel/duration.js";
import type { PriceState } from "#schema/events/tenancy-changed.v1.js";
import { QUOTA_WINDOWS } from "#schema/vocabulary.js";
import { waitFor } from "../../../tests/servers/servers.js";
import { undisturbed } from "../../../tests/support/undisturbed.js";
import { describeRoom } from "../room.testing.js";
import type { World } from "../world.testing.js";

const EACH_COSTS_ONE: PriceState = {
  ...{ meter: "tokens", model: "PER_UNIT", included: "0", unitAmount: "1", packageSize: null, ratePercent: null },
  ...{ tiers: [], divideBy: "1", roundUp: false, minimumAmount: null, maximumAmount: null, discountPercent: "0" },
  where: [],
};

function prepare(world: World): void {
  world.meter("tokens", { aggregation: "SUM", valueProperty: "n" });
  for (const window of QUOTA_WINDOWS) world.plan(window, [{ limit: "1000", meter: "tokens", window }]);
  world.plan("SMALL", [{ limit: "100", meter: "tokens", window: "HOUR" }]);
  for (const [plan, limit] of [
    ["SPEND_MORE", "1000"],
    ["SPEND_LESS", "600"],
  ] as const)
    world.plan(plan, [{ limit, meter: null, unit: "MONEY", window: "BILLING_PERIOD" }], [EACH_COSTS_ONE]);
  world.plan("NO_REQUESTS", [{ limit: "0", meter: null, window: "DAY" }]);
}

async function waited(seconds: number): Promise<void> {
  const end = Date.now() + seconds * 1000;
  await waitFor(() => Date.now() >= end, { what: "Retry-After to pass" });
}

describeRoom("Retry-After", prepare, (room) => {
  const consume = (headers: Record<string, string>, amount: number, idempotencyKey: string, ttlSeconds = 3600) =>
    room.post("consume", headers, { meter: "tokens", amount: String(amount), idempotencyKey, ttlSeconds });

  test.each(["BILLING_PERIOD", "DAY", "HOUR", "MINUTE"] as const)(
    "names the end of a reservation that makes room, per %s",
    async (window) => {
      const { headers, denied, most } = await undisturbed(2_000, async (withinMs, n) => {
        const { headers } = room.tenant(`expiry-${window}-${n}`, window);
        await consume(headers, 700, "short", withinMs / 1_000);
        await consume(headers, 300, "long");
        return { headers, denied: await consume(headers, 500, "wants"), most: withinMs / 1_000 + 1 };
      });
      const wait = room.retryAfter(denied) ?? 0;
      expect([denied.body.reason, denied.status, wait >= 1, wait <= most]).toEqual(["LIMIT_EXCEEDED", 429, true, true]);
      await waited(wait);
      expect((await consume(headers, 500, "wants")).status).toBe(200);
    },
  );

  test("is absent where no waiting helps", async () => {
    for (const window of ["BILLING_PERIOD", "DAY", "MINUTE"]) {
      const { headers } = room.tenant(`huge-${window}`, window);
      const denied = await consume(headers, 1001, "huge");
      expect([denied.body.reason, room.retryAfter(denied)]).toEqual(["AMOUNT_EXCEEDS_LIMIT", null]);
    }
  });

  test("names the end of an override that takes room away", async () => {
    const { headers, denied, most } = await undisturbed(2_500, async (withinMs, n) => {
      const { id, headers } = room.tenant(`override-${n}`, "BILLING_PERIOD");
      const until = Date.now() + withinMs + 500;
      const inVersion = room.world().tenancy.version() + 1;
      const override = { meter: "tokens", window: "BILLING_PERIOD", limit: "10", reason: "short", inVersion } as const;
      room.world().tenant(id, "BILLING_PERIOD", { quotaOverrides: [{ ...override, until }] });
      await consume(headers, 10, "ten");
      return { headers, denied: await consume(headers, 5, "five"), most: Math.ceil(withinMs / 1_000) + 1 };
    });
    const wait = room.retryAfter(denied) ?? Number.POSITIVE_INFINITY;
    expect([denied.status, wait <= most]).toEqual([429, true]);
    await waited(wait);
    expect((await consume(headers, 5, "five")).status).toBe(200);
  });

  test("is the period's end where recorded usage fills it", async () => {
    const { id, headers } = room.tenant("filled", "BILLING_PERIOD");
    await room.use(id, "use.tokens", { u: 1000 });
    await room.shows({ headers }, "tokens", "1000");
    const { denied, now } = await undisturbed(4_000, async () => {
      const now = Date.now();
      return { now, denied: await consume(headers, 1, "one") };
    });
    const reset = (Date.parse(denied.body.limits[0]?.resetAt ?? "") - now) / 1000;
    expect(Math.abs((room.retryAfter(denied) ?? 0) - reset)).toBeLessThan(5);
  });

  test.each([
    ["an hour that usage of the last period fills", "HOUR", HOUR_MS],
    ["a minute that a reservation fills", "MINUTE", MINUTE_MS - 1_000],
    ["an amount that never fits", "SMALL", null],
    ["no request", "NO_REQUESTS", null],
    ["what it costs beside what is reserved", "SPEND_MORE", HOUR_MS - 1_000],
    ["what it costs, which is never left", "SPEND_LESS", null],
    ["no limit on the meter", "NOTHING", 9_000],
  ])("considers what only the next period's plan has: %s", async (_, next, waitMs) => {
    const [start, end] = [Date.UTC(2026, 2, 1) - 10_000, Date.UTC(2026, 2, 1)];
    const assignment = { planVersion: 1, inVersion: room.world().tenancy.version() + 1, cancelledInVersion: null };
    const assignments = [
      { ...assignment, planId: "BILLING_PERIOD", effectiveFrom: 0 },
      { ...assignment, planId: next, effectiveFrom: end },
    ];
    const { id, headers } = room.tenant(`next-${next}`, null, { assignments, testClock: start });
    const setClock = (testClock: number) => room.world().tenant(id, null, { assignments, testClock });
    await consume(headers, 500, "open");
    const events = [{ id: "used", type: "use.tokens", time: start + 1_000, data: { n: 400 } }];
    setClock(start + 1_000);
    await room.world().record(id, events);
    await room.shows({ headers }, "tokens", "400");
    const denied = await consume(headers, 700, "wants");
    expect(room.retryAfter(denied)).toBe(waitMs === null ? null : waitMs / 1000);
    if (waitMs === null) return;
    setClock(start + 1_000 + waitMs - 1);
    expect((await consume(headers, 700, "wants")).status).toBe(429);
    setClock(start + 1_000 + waitMs);
    expect((await consume(headers, 700, "wants")).status).toBe(200);
  });
});
