import { expect, test } from "vitest";
import type { RecordedEvent } from "#schema/events/usage-recorded.v1.js";
import { CALENDAR_WINDOWS, type CalendarWindow } from "#schema/vocabulary.js";
import { waitFor } from "../../tests/servers/servers.js";
import { describeRoom, type Room } from "./room.testing.js";
import type { World } from "./world.testing.js";

function prepare(world: World): void {
  world.meter("tokens", { aggregation: "SUM", valueProperty: "n" });
  const windows = CALENDAR_WINDOWS.map((window) => ({ meter: "tokens", window, limit: "100", warnAt: [] }));
  world.plan("all", windows);
  for (const limit of windows) world.plan(limit.window, [limit]);
  for (const { window } of windows) world.plan(`requests-${window}`, [{ meter: null, window, limit: "2" }]);
  world.plan("monthly", [{ meter: "tokens", limit: "1000", warnAt: [] }]);
  world.plan("told", [
    {
      meter: "tokens",
      window: "CALENDAR_WEEK",
      limit: "100",
      warnAt: [],
      warnAtAmounts: ["10", "200"],
      warnEvery: "25",
    },
  ]);
}

/** The windows of Berlin around the Sunday on which its day has 23 hours. */
const SATURDAY_EVENING = Date.parse("2026-03-28T22:30:00Z");
const SUNDAY = Date.parse("2026-03-28T23:00:00Z");
const MONDAY = Date.parse("2026-03-29T22:00:00Z");
const APRIL = Date.parse("2026-03-31T22:00:00Z");
const END: Readonly<Record<CalendarWindow, number>> = {
  CALENDAR_DAY: SUNDAY,
  CALENDAR_WEEK: MONDAY,
  CALENDAR_MONTH: APRIL,
};

function berlin(room: Room, name: string, planId: string | null, changed: { startsAt?: number } = {}) {
  const inVersion = room.world().tenancy.version() + 1;
  const assignments = (plan: string | null) =>
    plan === null ? [] : [{ planId: plan, planVersion: 1, effectiveFrom: 0, inVersion, cancelledInVersion: null }];
  const own = { timeZone: "Europe/Berlin", assignments: assignments(planId), ...changed };
  const tenant = room.tenant(name, null, { ...own, testClock: SATURDAY_EVENING });
  return {
    ...tenant,
    at: (testClock: number, plan = planId) =>
      room.world().tenant(tenant.id, null, { ...own, assignments: assignments(plan), testClock }),
    /** Records usage at a time of its own. */
    async use(id: string, n: number, time: number): Promise<RecordedEvent> {
      const [entry] = await room.world().record(tenant.id, [{ id, type: "use.tokens", time, data: { n } }]);
      await room.applied(tenant.id);
      return entry as RecordedEvent;
    },
    /** What is used, by window. */
    async used(): Promise<Readonly<Record<string, string>>> {
      const { body } = await room.post("check", tenant.headers, { meter: "tokens", amount: "0" });
      return Object.fromEntries(body.limits.map(({ window, used }) => [window, used]));
    },
    consume: (amount: number, idempotencyKey: string, ttlSeconds = 86_400) =>
      room.post("consume", tenant.headers, { meter: "tokens", amount: String(amount), idempotencyKey, ttlSeconds }),
  };
}

const used = (day: string, week: string, month: string) => ({
  CALENDAR_DAY: day,
  CALENDAR_WEEK: week,
  CALENDAR_MONTH: month,
});

describeRoom("calendar windows", prepare, (room) => {
  test.each(CALENDAR_WINDOWS)("%s ends in the tenant's time zone, and Retry-After says when", async (window) => {
    const tenant = berlin(room, `ends-${window}`, window);
    await tenant.use("filled", 100, SATURDAY_EVENING);
    const denied = await waitFor(
      async () => {
        const answer = await tenant.consume(1, "one");
        return answer.status === 429 && answer.body.reason === "LIMIT_EXCEEDED" ? answer : undefined;
      },
      { what: "the limit to be reached" },
    );
    const end = END[window];
    expect(denied.body.limits[0]?.resetAt).toBe(new Date(end).toISOString());
    expect(room.retryAfter(denied)).toBe((end - SATURDAY_EVENING) / 1000);
    expect(denied.headers["ratelimit-policy"]).toMatch(new RegExp(`^"tokens:${window}";q=100;w=\\d+$`));
    tenant.at(end - 1);
    expect((await tenant.consume(1, "early")).status).toBe(429);
    tenant.at(end);
    expect((await tenant.consume(1, "on-time")).status).toBe(200);
  });

  test("a day has the hours that the clock gives it", async () => {
    const tenant = berlin(room, "short-day", "CALENDAR_DAY");
    tenant.at(SUNDAY);
    const { body, headers } = await tenant.consume(1, "a");
    expect(body.limits[0]?.resetAt).toBe(new Date(MONDAY).toISOString());
    expect(headers["ratelimit-policy"]).toBe(`"tokens:CALENDAR_DAY";q=100;w=${23 * 3600}`);
  });

  test("usage counts by its own time in its day, week and month, and a void takes it back from all of them", async () => {
    const tenant = berlin(room, "own-time", "all");
    await tenant.used();
    const today = await tenant.use("today", 1, SATURDAY_EVENING);
    await tenant.use("yesterday", 20, SATURDAY_EVENING - 86_400_000);
    await tenant.use("last-week", 300, SATURDAY_EVENING - 8 * 86_400_000);
    await tenant.use("february", 4_000, SATURDAY_EVENING - 30 * 86_400_000);
    await waitFor(async () => (await tenant.used()).CALENDAR_MONTH === "321", { what: "the usage" });
    expect(await tenant.used()).toEqual(used("1", "21", "321"));
    await room
      .world()
      .publish(tenant.id, [{ kind: "void", tenantId: tenant.id, reason: "wrong", actor: "me", event: today }]);
    await room.applied(tenant.id);
    await waitFor(async () => (await tenant.used()).CALENDAR_MONTH === "320", { what: "the void" });
    expect(await tenant.used()).toEqual(used("0", "20", "320"));
    tenant.at(SUNDAY);
    expect(await tenant.used()).toEqual(used("0", "20", "320"));
    tenant.at(MONDAY);
    expect(await tenant.used()).toEqual(used("0", "0", "320"));
    tenant.at(APRIL);
    expect(await tenant.used()).toEqual(used("0", "0", "0"));
  });

  test("after a loss the counters have the same usage, also of limits that begin within the window", async () => {
    const tenant = berlin(room, "lost", "monthly");
    await tenant.use("before", 7, SATURDAY_EVENING - 5 * 86_400_000);
    await tenant.use("now", 2, SATURDAY_EVENING);
    tenant.at(SATURDAY_EVENING, "all");
    const whole = used("2", "9", "9");
    await waitFor(async () => (await tenant.used()).CALENDAR_MONTH === "9", { what: "the limits to begin" });
    expect(await tenant.used()).toEqual(whole);
    await tenant.use("more", 1, SATURDAY_EVENING - 86_400_000);
    await waitFor(async () => (await tenant.used()).CALENDAR_MONTH === "10", { what: "the usage" });
    await room.restart("kill");
    await waitFor(async () => (await tenant.used()).CALENDAR_MONTH === "10", { what: "the counters to be built" });
    expect(await tenant.used()).toEqual(used("2", "10", "10"));
  });

  test.each(CALENDAR_WINDOWS)(
    "requests per %s are never admitted beyond the limit, also after a loss",
    async (window) => {
      const own = { timeZone: "Asia/Kolkata", testClock: SATURDAY_EVENING };
      const { headers } = room.tenant(`requests-${window}`, `requests-${window}`, own);
      const ask = (idempotencyKey: string) => room.post("consume", headers, { idempotencyKey });
      expect([(await ask("a")).status, (await ask("b")).status, (await ask("c")).status]).toEqual([200, 200, 429]);
      await room.restart("kill");
      expect((await ask("d")).status).toBe(429);
    },
  );

  test("a reservation counts in every window that it lives in", async () => {
    const tenant = berlin(room, "reserved", "CALENDAR_DAY");
    expect((await tenant.consume(100, "whole", 7_200)).status).toBe(200);
    tenant.at(SUNDAY);
    const denied = await tenant.consume(1, "one");
    expect(denied.status).toBe(429);
    expect(room.retryAfter(denied)).toBe(7_200 - (SUNDAY - SATURDAY_EVENING) / 1000);
  });

  test("amounts warn beside shares, and of the multiples that an entry passes the highest", async () => {
    const tenant = berlin(room, "told", "told");
    const told = async () =>
      (await room.world().alerts(tenant.id)).map(
        ({ data }) => `${data.thresholdKind ?? "SHARE"} ${data.threshold} at ${data.used} from ${data.windowStart}`,
      );
    await tenant.use("a", 9, SATURDAY_EVENING);
    await tenant.use("b", 70, SATURDAY_EVENING - 3 * 86_400_000);
    await tenant.use("c", 10, SATURDAY_EVENING);
    await tenant.use("d", 150, SATURDAY_EVENING);
    await waitFor(async () => (await told()).length >= 5, { what: "the alerts" });
    const from = "from 2026-03-22T23:00:00.000Z";
    expect(await told()).toEqual([
      `AMOUNT 10 at 79 ${from}`,
      `AMOUNT 75 at 79 ${from}`,
      `SHARE 1 at 239 ${from}`,
      `AMOUNT 200 at 239 ${from}`,
      `AMOUNT 225 at 239 ${from}`,
    ]);
    // Of the week before last: judged no more.
    tenant.at(MONDAY + 8 * 86_400_000);
    await tenant.use("late", 30, SATURDAY_EVENING);
    expect(await told()).toHaveLength(5);
  });
});
