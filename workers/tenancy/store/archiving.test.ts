import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DAY_MS } from "#kernel/duration.js";
import { isMeterActive } from "#schema/tenancy-history.js";
import { hasPostgres } from "../../../tests/servers/servers.js";
import { archiveMeter, MAX_ARCHIVALS, unarchiveMeter } from "../changes/meters.js";
import { archivePlan, publishPlanVersion } from "../changes/plans.js";
import { changePlan, createTenant, moveTenant } from "../changes/tenants.js";
import { ACTOR, NOW, newTenant, openWorld, terms, type World } from "../world.testing.js";

const DECEMBER = Date.UTC(2026, 11, 1);

describe.skipIf(!hasPostgres)("archiving a meter", () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld();
  });
  afterAll(() => world.close());

  const archive = (key: string, force = false) => archiveMeter(world.store, ACTOR, key, force);
  const refusal = (plan: string) =>
    expect.objectContaining({ code: "CONFLICT", message: expect.stringContaining(`"${plan}" (${plan})`) });

  test("is refused while a published plan prices it, with the plan's name, unless forced", async () => {
    await world.meter("published");
    await world.plan("offer", "published");
    await expect(archive("published")).rejects.toEqual(refusal("offer"));
    expect(await archive("published", true)).toMatchObject({ archivedAt: NOW });
  });

  test("is refused while a tenant has or will have a version that prices it, though no newer version does", async () => {
    await world.meter("sold");
    await world.meter("next");
    await world.plan("old", "sold");
    await world.tenant("buyer", "old");
    await publishPlanVersion(world.store, ACTOR, "old", terms("next"));
    await archivePlan(world.store, ACTOR, "old");
    await expect(archive("sold")).rejects.toEqual(refusal("old"));
    await archive("next");

    await world.meter("other");
    await world.plan("new", "other");
    await changePlan(world.store, ACTOR, { tenantId: "buyer", planId: "new", version: undefined });
    await expect(archive("sold")).rejects.toEqual(refusal("old"));
    world.clock.set(DECEMBER + DAY_MS);
    await archive("sold");
    world.clock.set(NOW);
  });

  test("a closed tenant's plan does not hinder it", async () => {
    await world.meter("left");
    await world.plan("last", "left");
    await world.tenant("leaver", "last");
    await archivePlan(world.store, ACTOR, "last");
    await expect(archive("left")).rejects.toEqual(refusal("last"));
    await moveTenant(world.store, ACTOR, "leaver", "close");
    await archive("left");
  });

  test("a plan with an archived meter cannot be assigned, until the meter is back", async () => {
    await world.meter("paused");
    await world.plan("withheld", "paused");
    await world.tenant("holder", "withheld");
    await archive("paused", true);
    const refused = expect.objectContaining({ code: "CONFLICT", message: expect.stringContaining("paused") });
    await expect(createTenant(world.store, ACTOR, newTenant("hopeful", "withheld"))).rejects.toEqual(refused);
    await changePlan(world.store, ACTOR, { tenantId: "holder", planId: "withheld", version: 1 });
    await unarchiveMeter(world.store, ACTOR, "paused");
    await createTenant(world.store, ACTOR, newTenant("hopeful", "withheld"));
  });

  test("a meter that came back counts what is recorded from then on, and never what was in between", async () => {
    const made = await world.meter("back");
    const gone = await archive("back");
    const back = await unarchiveMeter(world.store, ACTOR, "back");
    expect(await unarchiveMeter(world.store, ACTOR, "back")).toEqual(back);
    expect(back.archivedInVersion).toBeNull();
    expect(back.archivedAt).toBeUndefined();
    const counted = [made.version - 1, made.version, gone.version - 1, gone.version, back.version - 1, back.version];
    expect(counted.map((version) => isMeterActive(back, version))).toEqual([
      false,
      ...[true, gone.version - 1 >= made.version],
      ...[false, back.version - 1 < gone.version, true],
    ]);
    for (let n = 1; n < MAX_ARCHIVALS; n += 1) {
      await archive("back");
      await unarchiveMeter(world.store, ACTOR, "back");
    }
    await archive("back");
    await expect(unarchiveMeter(world.store, ACTOR, "back")).rejects.toMatchObject({ code: "CONFLICT" });
  });
});
