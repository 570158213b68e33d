import { expect, test } from "vitest";
import { HOUR_MS } from "#kernel/duration.js";
import type { QuotaOverrideState } from "#schema/events/tenancy-changed.v1.js";
import { waitFor } from "../../tests/servers/servers.js";
import { undisturbed } from "../../tests/support/undisturbed.js";
import { describeRoom } from "./room.testing.js";
import type { World } from "./world.testing.js";

type Override = QuotaOverrideState;

function prepare(world: World): void {
  world.meter("calls");
  world.meter("tokens", { aggregation: "SUM", valueProperty: "n" });
  world.plan("ten", [{ limit: "10", warnAt: ["0.5", "0.8"] }]);
  world.plan("soft", [{ limit: "1000", meter: "tokens", kind: "SOFT", warnAt: [] }]);
  world.plan("hourly", [{ limit: "2", window: "HOUR", warnAt: [] }]);
  for (const window of ["BILLING_PERIOD", "DAY"] as const)
    world.plan(`thousand-${window}`, [{ limit: "1000", meter: "tokens", window, warnAt: ["0.5", "0.8"] }]);
}

describeRoom("alerts", prepare, (room) => {
  /** The alerts so far, in order: which threshold of which limit, at which usage. */
  async function told(id: string): Promise<readonly string[]> {
    const alerts = await room.world().alerts(id);
    return alerts.map(({ data }) => `${data.threshold} of ${data.limit} at ${data.used}`);
  }

  test("each threshold and the limit are reported once and in order, also when usage jumps over them and is replayed", async () => {
    const { id } = room.tenant("alerts", "ten");
    const entries = await room.world().record(
      id,
      Array.from({ length: 9 }, (_, n) => ({ id: `e${n}` })),
    );
    await room.world().record(
      id,
      Array.from({ length: 9 }, (_, n) => ({ id: `f${n}` })),
    );
    await waitFor(async () => (await room.world().alerts(id)).length >= 3, { what: "alerts" });
    await room.world().republish(id, entries);
    await room.world().record(id, [{ id: "g" }]);
    await waitFor(() => room.world().appliedSeq(id), { what: "everything applied" });
    const alerts = await room.world().alerts(id);
    expect(alerts.map(({ type, data }) => [type, data.threshold, data.used])).toEqual([
      ["metrly.quota.warning.v1", "0.5", "5"],
      ["metrly.quota.warning.v1", "0.8", "8"],
      ["metrly.quota.exceeded.v1", "1", "10"],
    ]);
    expect(alerts[0]?.id).toMatch(new RegExp(`^${id}:calls:BILLING_PERIOD:ten@1:.*T00:00:00\\.000Z:0\\.5$`));
  });

  test("the first denial of a window emits exceeded, once", async () => {
    const { id, headers } = room.tenant("denied", "ten");
    await room.post("consume", headers, { meter: "calls", amount: "10", idempotencyKey: "a" });
    for (const key of ["b", "c", "d"]) await room.post("consume", headers, { meter: "calls", idempotencyKey: key });
    await waitFor(async () => (await room.world().alerts(id)).length > 0, { what: "the alert" });
    await room.world().record(
      id,
      Array.from({ length: 10 }, (_, n) => ({ id: `e${n}` })),
    );
    await waitFor(async () => (await room.world().alerts(id)).length >= 3, { what: "the warnings" });
    expect((await room.world().alerts(id)).map(({ data }) => data.threshold)).toEqual(["1", "0.5", "0.8"]);
  });

  test.each(["BILLING_PERIOD", "DAY"] as const)(
    "an oversized request raises none, and usage that passes the limit later raises each, per %s",
    async (window) => {
      const { id, headers } = room.tenant(`oversized-${window}`, `thousand-${window}`);
      const huge = await room.post("consume", headers, { meter: "tokens", amount: "5000", idempotencyKey: "huge" });
      expect(huge.body.reason).toBe("AMOUNT_EXCEEDS_LIMIT");
      await room.use(id, "use.tokens", { a: 600, b: 600 });
      await waitFor(async () => (await told(id)).length >= 3, { what: "the alerts" });
      expect(await told(id)).toEqual(["0.5 of 1000 at 600", "0.8 of 1000 at 1200", "1 of 1000 at 1200"]);
    },
  );

  test("a denial while something remains raises none", async () => {
    const { id, headers } = room.tenant("remaining", "thousand-DAY");
    const consume = (amount: string, idempotencyKey: string) =>
      room.post("consume", headers, { meter: "tokens", amount, idempotencyKey });
    await consume("999", "a");
    expect((await consume("2", "b")).body.reason).toBe("LIMIT_EXCEEDED");
    await consume("1", "c");
    expect((await consume("2", "d")).body.reason).toBe("LIMIT_EXCEEDED");
    await waitFor(async () => (await told(id)).length > 0, { what: "the alert" });
    expect(await told(id)).toEqual(["1 of 1000 at 1000"]);
  });

  const override = (id: string, limit: string, before: readonly Override[], until = Date.now() + HOUR_MS) => {
    const inVersion = room.world().tenancy.version() + 1;
    const terms = { meter: "tokens", window: "BILLING_PERIOD", reason: "test" } as const;
    const overrides = [...before, { ...terms, limit, until, inVersion }];
    room.world().tenant(id, "soft", { quotaOverrides: overrides });
    return overrides;
  };

  test("a soft limit lowered below the usage is told once, at the next usage, and a raise that changes nothing is not", async () => {
    const { id } = room.tenant("lowered", "soft");
    await room.use(id, "use.tokens", { a: 450 });
    const lowered = override(id, "400", []);
    for (const key of ["b", "c", "d"]) await room.use(id, "use.tokens", { [key]: 30 });
    await waitFor(async () => (await told(id)).length > 0, { what: "the alert" });
    const raised = override(id, "440", lowered);
    await room.use(id, "use.tokens", { e: 30 });
    const same = override(id, "440", raised);
    await room.use(id, "use.tokens", { f: 10 });
    expect(await told(id)).toEqual(["1 of 400 at 480"]);
    const roomy = override(id, "2000", same);
    await room.use(id, "use.tokens", { g: 10 });
    override(id, "410", roomy);
    await room.use(id, "use.tokens", { h: 10, i: 10 });
    await waitFor(async () => (await told(id)).length > 1, { what: "the second alert" });
    await room.restart();
    await room.use(id, "use.tokens", { j: 10 });
    expect(await told(id)).toEqual(["1 of 400 at 480", "1 of 410 at 600"]);
  });

  test("a soft limit lowered twice without usage is told once, as it is", async () => {
    const { id } = room.tenant("lowered-twice", "soft");
    await room.use(id, "use.tokens", { a: 700 });
    override(id, "500", override(id, "600", []));
    await room.use(id, "use.tokens", { b: 1, c: 1 });
    await waitFor(async () => (await told(id)).length > 0, { what: "the alert" });
    await room.use(id, "use.tokens", { d: 1 });
    expect(await told(id)).toEqual(["1 of 500 at 701"]);
  });

  test("the end of an override that leaves the usage above the plan's limit is told once", async () => {
    const { id, until } = await undisturbed(1_000, async (withinMs, n) => {
      const { id } = room.tenant(`ended-${n}`, "soft");
      const until = Date.now() + withinMs;
      override(id, "3000", [], until);
      await room.use(id, "use.tokens", { a: 1450 });
      return { id, until };
    });
    expect(await told(id)).toEqual([]);
    await waitFor(() => Date.now() > until, { what: "the override to end" });
    await room.use(id, "use.tokens", { b: 30, c: 30 });
    await waitFor(async () => (await told(id)).length > 0, { what: "the alert" });
    await room.use(id, "use.tokens", { d: 30 });
    expect(await told(id)).toEqual(["1 of 1000 at 1480"]);
  });

  test("late usage is judged in its own window if that ended at most one window ago", async () => {
    // No hour ends meanwhile.
    const testClock = Date.UTC(2026, 2, 10, 8, 30);
    const { id } = room.tenant("late", "hourly", { testClock });
    const at = (time: number, n: number) => ({ id: `${time}-${n}`, type: "use.calls", time });
    const thisHour = Math.floor(testClock / HOUR_MS) * HOUR_MS;
    const send = (start: number) => room.world().record(id, [at(start + 1, 1), at(start + 2, 2)]);
    for (const hours of [3, 2, 1]) await send(thisHour - hours * HOUR_MS);
    await room.applied(id);
    await waitFor(async () => (await room.world().alerts(id)).length > 0, { what: "the alert" });
    const alerts = await room.world().alerts(id);
    expect(alerts.map(({ data }) => [data.threshold, data.windowStart])).toEqual([
      ["1", new Date(thisHour - HOUR_MS).toISOString()],
    ]);
  });
});
