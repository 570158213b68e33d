import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DAY_MS, HOUR_MS } from "#kernel/duration.js";
import { hasPostgres } from "../../../tests/servers/servers.js";
import { createPlan } from "../changes/plans.js";
import { createTenant, MAX_PAUSES, moveTenant, updateTenant } from "../changes/tenants.js";
import { MAX_BUYERS } from "../rules/buyer.js";
import { ACTOR, NOW, newTenant, openWorld, terms, type World } from "../world.testing.js";

describe.skipIf(!hasPostgres)("what fees depend on", () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld();
  });
  afterAll(() => world.close());

  const suspend = (id: string, billing?: "CONTINUE" | "PAUSE") =>
    moveTenant(world.store, ACTOR, id, "suspend", { reason: "does not pay", ...(billing && { billing }) });

  test("a suspension pauses billing only where it says so, until the tenant is resumed or closed", async () => {
    await world.tenant("paused");
    expect((await suspend("paused")).billingPauses).toBeUndefined();
    await moveTenant(world.store, ACTOR, "paused", "resume");
    const suspended = await suspend("paused", "PAUSE");
    const first = { from: NOW, until: null, inVersion: suspended.version, endedInVersion: null };
    expect(suspended.billingPauses).toEqual([first]);
    world.clock.advance(HOUR_MS);
    const resumed = await moveTenant(world.store, ACTOR, "paused", "resume");
    const ended = { ...first, until: NOW + HOUR_MS, endedInVersion: resumed.version };
    expect(resumed.billingPauses).toEqual([ended]);
    const again = await suspend("paused", "PAUSE");
    const closed = await moveTenant(world.store, ACTOR, "paused", "close");
    expect(closed.billingPauses).toEqual([
      ended,
      { from: NOW + HOUR_MS, until: NOW + HOUR_MS, inVersion: again.version, endedInVersion: closed.version },
    ]);
    expect(await world.store.tenants({ after: undefined, take: 1, status: "CLOSED" })).toEqual([closed]);
    world.clock.set(NOW);
  });

  test("billing can be paused a bounded number of times", async () => {
    await world.tenant("wavering");
    await world.database.pool.query(
      `UPDATE tenant SET billing_pauses = (SELECT jsonb_agg(jsonb_build_object(
         'from', 0, 'until', 1, 'inVersion', 1, 'endedInVersion', 1)) FROM generate_series(1, $1)) WHERE id = 'wavering'`,
      [MAX_PAUSES],
    );
    await expect(suspend("wavering", "PAUSE")).rejects.toMatchObject({ code: "CONFLICT" });
    await suspend("wavering", "CONTINUE");
  });

  test("a tenant's buyer can change a bounded number of times, and is stored with its history", async () => {
    const buyer = { name: "Łódź Café 株式会社", addressLines: ["ul. Piotrkowska 1"] };
    const made = await createTenant(world.store, ACTOR, { ...newTenant("bought"), buyer });
    expect(made.buyers).toEqual([{ ...buyer, inVersion: made.version }]);
    const update = (name: string) =>
      updateTenant(world.store, ACTOR, "bought", {
        ...{ name: undefined, graceDays: undefined },
        buyer: { name, addressLines: [] },
      });
    expect((await update("Other")).buyers).toHaveLength(2);
    await expect(update("a\u0000b")).rejects.toMatchObject({ code: "INVALID" });
    await world.database.pool.query(
      `UPDATE tenant SET buyers = (SELECT jsonb_agg(jsonb_build_object(
         'name', 'Other', 'addressLines', '[]'::jsonb, 'inVersion', 1)) FROM generate_series(1, $1)) WHERE id = 'bought'`,
      [MAX_BUYERS],
    );
    await expect(update("Third")).rejects.toMatchObject({ code: "CONFLICT" });
  });

  test("a reason may have several lines", async () => {
    await world.tenant("told");
    const told = { reason: "Does not pay:\nreminded twice" };
    expect(await moveTenant(world.store, ACTOR, "told", "suspend", told)).toMatchObject({ status: "SUSPENDED" });
  });

  test("a stored name that is refused by now keeps nothing else from changing", async () => {
    await world.tenant("named");
    await world.database.pool.query("UPDATE tenant SET name = $1 WHERE id = 'named'", ["Na\u001b[31mmed"]);
    const updated = await updateTenant(world.store, ACTOR, "named", { name: undefined, graceDays: 4 });
    expect(updated).toMatchObject({ name: "Na\u001b[31mmed", graceDays: [{}, { days: 4 }] });
    const again = updateTenant(world.store, ACTOR, "named", { name: "Na\u001b[31mmed", graceDays: undefined });
    await expect(again).rejects.toMatchObject({ code: "INVALID" });
  });

  test("a tenant begins at the moment that was given, in a period that began before", async () => {
    const startsAt = NOW - DAY_MS;
    const made = await createTenant(world.store, ACTOR, { ...newTenant("begun"), startsAt });
    expect(made).toMatchObject({ startsAt: Date.UTC(2026, 10, 1), beganAt: startsAt });
    const whole = await createTenant(world.store, ACTOR, { ...newTenant("whole"), startsAt: Date.UTC(2026, 10, 1) });
    expect(whole.beganAt).toBeUndefined();
  });

  test("a catch-all price has no conditions, and there is one of a meter", async () => {
    await world.meter("tokens", ["model"]);
    const [priced] = terms("tokens").prices;
    if (priced === undefined) throw new Error("the terms have a price");
    const where = [{ dimension: "model", value: "large" }];
    const rest = { ...priced, catchAll: true };
    const make = (id: string, prices: (typeof priced)[]) =>
      createPlan(world.store, ACTOR, {
        id,
        name: id,
        version: { ...terms("tokens"), recurringFeeProration: "DAILY", prices },
      });
    const paths = (...at: string[]) => ({ code: "INVALID", extensions: { errors: at.map((path) => ({ path })) } });
    await expect(make("both", [{ ...rest, where }])).rejects.toMatchObject(paths("version.prices[0].where"));
    await expect(make("two", [rest, rest])).rejects.toMatchObject(paths("version.prices[1].where"));
    const made = await make("good", [{ ...priced, where }, rest]);
    expect(
      await createPlan(world.store, ACTOR, {
        id: "good",
        name: "good",
        version: { ...terms("tokens"), recurringFeeProration: "DAILY", prices: [{ ...priced, where }, rest] },
      }),
    ).toEqual(made);
    expect(made.versions[0]).toMatchObject({ recurringFeeProration: "DAILY", prices: [{ where }, { catchAll: true }] });
  });
});
