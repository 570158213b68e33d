import { expect, test } from "vitest";
import { DAY_MS, HOUR_MS } from "#kernel/duration.js";
import { QUOTA_WINDOWS } from "#schema/vocabulary.js";
import { waitFor } from "../../tests/servers/servers.js";
import { describeRoom } from "./room.testing.js";
import type { World } from "./world.testing.js";

function prepare(world: World): void {
  world.meter("calls");
  world.meter("tokens", { aggregation: "SUM", valueProperty: "n" });
  world.plan("ten", [{ limit: "10" }]);
  world.plan("windows", [
    { limit: "5", window: "HOUR" },
    { limit: "5", window: "DAY" },
  ]);
  const windows = (["HOUR", "DAY", "CALENDAR_MONTH", "BILLING_PERIOD"] as const).map((window) => ({ window }));
  world.plan(
    "imports",
    windows.map(({ window }) => ({ window, kind: "SOFT", limit: "5", warnAt: ["0.6"] })),
  );
  for (const window of QUOTA_WINDOWS) world.plan(`ten-${window}`, [{ limit: "10", meter: "tokens", window }]);
}

describeRoom("usage", prepare, (room) => {
  test("the recorded event settles its reservation with the actual amount, and its key is not charged again", async () => {
    const { id, headers } = room.tenant("settle", "ten");
    await room.post("consume", headers, { meter: "calls", amount: "6", idempotencyKey: "job-1" });
    await room.world().record(id, [{ id: "job-1" }, { id: "unasked" }]);
    await room.applied(id);
    const settled = await waitFor(
      async () => {
        const { body } = await room.post("check", headers, { meter: "calls" });
        return body.limits[0]?.used === "2" ? body : undefined;
      },
      { what: "the counters" },
    );
    expect(settled.limits[0]).toMatchObject({ used: "2", reserved: "0" });
    const again = await room.post("consume", headers, { meter: "calls", amount: "6", idempotencyKey: "job-1" });
    expect(again.body.limits[0]).toMatchObject({ used: "2", reserved: "0" });
  });

  test("a void gives back in the billing period", async () => {
    const { id, headers } = room.tenant("void", "ten");
    const [recorded] = await room.world().record(id, [{ id: "a" }, { id: "b" }]);
    if (recorded?.kind !== "event") throw new Error("not recorded");
    await room.world().publish(id, [{ kind: "void", tenantId: id, reason: "wrong", actor: "me", event: recorded }]);
    await waitFor(() => room.world().appliedSeq(id), { what: "the void" });
    expect((await room.post("check", headers, { meter: "calls" })).body.limits[0]).toMatchObject({ used: "1" });
  });

  test.each(["MINUTE", "HOUR", "DAY", "BILLING_PERIOD"] as const)(
    "counts fractions as what they are, per %s, however many batches they come in",
    async (window) => {
      const { id, headers } = room.tenant(`fractions-${window}`, `ten-${window}`);
      await room.look(headers, "tokens");
      for (let n = 0; n < 10; n += 1) await room.use(id, "use.tokens", { [`e${n}`]: "0.01" });
      expect(await room.shows({ headers }, "tokens", "0.1")).toMatchObject({ remaining: "9.9" });
      expect(await room.world().alerts(id)).toEqual([]);
    },
  );

  test("jobs of a third of a unit, recorded one after the other, use up the limit to the last fraction", async () => {
    const { id, headers } = room.tenant("thirds", "ten-DAY");
    const consume = (idempotencyKey: string, amount: string) =>
      room.post("consume", headers, { meter: "tokens", amount, idempotencyKey });
    for (let n = 0; n < 33; n += 1) {
      expect((await consume(`job${n}`, "0.3")).status).toBe(200);
      await room.use(id, "use.tokens", { [`job${n}`]: "0.3" });
    }
    expect((await consume("over", "0.100000000001")).status).toBe(429);
    expect((await consume("rest", "0.1")).status).toBe(200);
    expect(await room.shows({ headers }, "tokens", "9.9")).toMatchObject({ reserved: "0.1", remaining: "0" });
  });

  test.each(["DAY", "BILLING_PERIOD"] as const)(
    "that is negative makes room, all of which is admitted, per %s",
    async (window) => {
      const credited = async (name: string) => {
        const made = room.tenant(`${name}-${window}`, `ten-${window}`);
        await room.look(made.headers, "tokens");
        await room.use(made.id, "use.tokens", { credit: -5 });
        expect(await room.shows(made, "tokens", "-5")).toMatchObject({ remaining: "15" });
        return made;
      };
      const consume = (headers: Record<string, string>, amount: string, idempotencyKey: string) =>
        room.post("consume", headers, { meter: "tokens", amount, idempotencyKey });
      const pieces = await credited("pieces");
      for (let n = 0; n < 15; n += 1) expect((await consume(pieces.headers, "1", `piece${n}`)).status).toBe(200);
      const over = await consume(pieces.headers, "0.1", "over");
      expect([over.status, over.body.reason]).toEqual([429, "LIMIT_EXCEEDED"]);
      expect(over.body.limits[0]).toMatchObject({ used: "-5", reserved: "15", remaining: "0" });
      const whole = await credited("whole");
      expect((await room.post("check", whole.headers, { meter: "tokens", amount: "12" })).body.allowed).toBe(true);
      const taken = await consume(whole.headers, "12", "large");
      expect(taken.body).toMatchObject({ allowed: true, reason: "WITHIN_LIMITS" });
    },
  );

  test("that is imported counts in billing periods alone, settles nothing and raises no alert", async () => {
    const { id, headers } = room.tenant("imports", "imports");
    const limits = async () => {
      const { body } = await room.post("check", headers, { meter: "calls", amount: "0" });
      return Object.fromEntries(body.limits.map(({ window, used, reserved }) => [window, `${used}+${reserved}`]));
    };
    await room.post("consume", headers, { meter: "calls", amount: "1", idempotencyKey: "held" });
    const imported = Array.from({ length: 4 }, (_, n) => ({ id: n === 0 ? "held" : `i${n}`, imported: true as const }));
    const [first] = await room.world().record(id, [{ id: "wrong", imported: true }, ...imported]);
    if (first?.kind !== "event") throw new Error("not recorded");
    await room.world().publish(id, [{ kind: "void", tenantId: id, reason: "wrong", actor: "me", event: first }]);
    const counted = { HOUR: "0+1", DAY: "0+1", CALENDAR_MONTH: "0+1", BILLING_PERIOD: "4+1" };
    await waitFor(async () => JSON.stringify(await limits()) === JSON.stringify(counted), {
      what: "the import to count",
    });
    await room.restart();
    expect(await limits()).toEqual(counted);
    expect(await room.world().alerts(id)).toEqual([]);
    await room.world().record(id, [{ id: "live" }]);
    await waitFor(async () => (await room.world().alerts(id)).length === 1, {
      what: "the alert of what is not imported",
    });
    const told = (await room.world().alerts(id)).map(({ type, data }) => [type, data.window, data.used]);
    expect(told).toEqual([["metrly.quota.exceeded.v1", "BILLING_PERIOD", "5"]]);
  });

  test("of the past counts in the windows of its own time, and uses up nothing of today's", async () => {
    const { id, headers } = room.tenant("old", "windows");
    const used = async () => {
      const { body } = await room.post("check", headers, { meter: "calls", amount: "0" });
      return Object.fromEntries(body.limits.map((limit) => [limit.window, limit.used]));
    };
    await used();
    const ago = (name: string, ms: number, count: number) =>
      room.world().record(
        id,
        Array.from({ length: count }, (_, n) => ({ id: `${name}${n}`, time: Date.now() - ms })),
      );
    await ago("month", 20 * DAY_MS, 5);
    await ago("morning", 5 * HOUR_MS, 2);
    await ago("late", HOUR_MS / 2, 1);
    await waitFor(async () => (await used()).DAY === "3" && (await used()).HOUR === "1", {
      what: "the usage to count",
    });
    await room.restart();
    expect(await used()).toEqual({ HOUR: "1", DAY: "3" });
    const live = await room.post("consume", headers, { meter: "calls", amount: "2", idempotencyKey: "live" });
    expect(live.status).toBe(200);
    expect(await room.world().alerts(id)).toEqual([]);
  });
});
