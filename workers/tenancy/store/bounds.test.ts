import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Identity } from "#schema/policy.js";
import { hasPostgres } from "../../../tests/servers/servers.js";
import { issueApiKey, revokeApiKey } from "../changes/api-keys.js";
import { archiveMeter, createMeter, MAX_METERS, MAX_METERS_OF_TYPE, unarchiveMeter } from "../changes/meters.js";
import { createPlan, publishPlanVersion } from "../changes/plans.js";
import { MAX_LIVE_KEYS } from "../rules/api-key.js";
import type { PlanDraft } from "../rules/plan-version.js";
import { ACTOR, countMeter, openWorld, type World } from "../world.testing.js";

const ADMIN: Identity = { kind: "USER", id: "root", tenantId: null, roles: ["PLATFORM_ADMIN"], scopes: [] };

describe.skipIf(!hasPostgres)("a store", () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld();
  });
  afterAll(() => world.close());

  const issue = (tenantId: string) =>
    issueApiKey(world.store, ADMIN, { tenantId, platform: false, name: "key", scopes: ["READ"], expiresAt: null });
  /** Copies a row, so that a limit is met without hundreds of changes. */
  const copies = (count: number, statement: string) => world.database.pool.query(statement, [count]);

  test("has at most 200 live keys of a tenant, whatever others have", async () => {
    await world.tenant("keys");
    await world.tenant("other-keys");
    const { apiKey } = await issue("keys");
    await copies(
      MAX_LIVE_KEYS - 1,
      `INSERT INTO api_key (id, version, tenant_id, name, prefix, hash, scopes, test, created_at)
       SELECT 'copy' || n, version, tenant_id, name, prefix, 'hash' || n, scopes, test, created_at
         FROM api_key, generate_series(1, $1) n WHERE tenant_id = 'keys'`,
    );
    await expect(issue("keys")).rejects.toMatchObject({ code: "CONFLICT" });
    await issue("other-keys");
    await revokeApiKey(world.store, ADMIN, apiKey.id);
    await issue("keys");
    await expect(issue("keys")).rejects.toMatchObject({ code: "CONFLICT" });
  });

  test("keeps a plan with its versions within the size of a record", async () => {
    await world.meter("large", ["region"]);
    const tiers = Array.from({ length: 50 }, (_, n) => ({
      upTo: n === 49 ? null : `${n + 1}.123456789012`,
      unitAmount: `${n}.123456789012`,
      flatAmount: `${n}.123456789012`,
    }));
    const price = {
      meter: "large",
      model: "GRADUATED",
      unitAmount: null,
      packageSize: null,
      ratePercent: null,
    } as const;
    const rest = { included: "0", divideBy: "1", roundUp: false, minimumAmount: null, maximumAmount: null } as const;
    const largest: PlanDraft = {
      ...{ currency: "EUR", recurringFee: "0", minimumCommit: "0", limits: [] },
      prices: Array.from({ length: 100 }, (_, n) => ({
        ...{ ...price, ...rest, tiers, discountPercent: "0" },
        where: [{ dimension: "region", value: `r${n}` }],
      })),
    };
    await createPlan(world.store, ACTOR, { id: "large", name: "Large", version: largest });
    const published = async (): Promise<number> => {
      for (let version = 2; ; version += 1)
        try {
          await publishPlanVersion(world.store, ACTOR, "large", largest);
        } catch (error) {
          expect(error).toMatchObject({ code: "TOO_LARGE" });
          return version - 1;
        }
    };
    expect(await published()).toBeLessThan(5);
  });

  test("has at most 50 meters of one event type that are not archived", async () => {
    await world.meter("typed");
    await copies(
      MAX_METERS_OF_TYPE - 1,
      `INSERT INTO meter (id, version, name, event_type, aggregation, dimensions, created_in_version, creation_input)
       SELECT 'typed' || n, version, name, event_type, aggregation, dimensions, 2000000 + n, creation_input
         FROM meter, generate_series(1, $1) n WHERE id = 'typed'`,
    );
    const { eventType } = countMeter("typed");
    const create = () => createMeter(world.store, ACTOR, { ...countMeter("another-typed"), eventType });
    const refused = { code: "CONFLICT", message: expect.stringContaining("50 meters count events of type") };
    await expect(create()).rejects.toMatchObject(refused);
    await archiveMeter(world.store, ACTOR, "typed", true);
    await create();
    await expect(unarchiveMeter(world.store, ACTOR, "typed")).rejects.toMatchObject(refused);
    await world.database.pool.query("DELETE FROM meter WHERE id LIKE '%typed%'");
  });

  test("has at most 500 meters that are not archived", async () => {
    await world.meter("first");
    const { rows } = await world.database.pool.query<{ n: number }>("SELECT count(*)::int AS n FROM meter");
    await copies(
      MAX_METERS - (rows[0]?.n ?? 0),
      `INSERT INTO meter (id, version, name, event_type, aggregation, dimensions, created_in_version, creation_input)
       SELECT 'copy' || n, version, name, 'type' || n, aggregation, dimensions, 1000000 + n, creation_input
         FROM meter, generate_series(1, $1) n WHERE id = 'first'`,
    );
    await expect(world.meter("one-more")).rejects.toMatchObject({ code: "CONFLICT" });
    await archiveMeter(world.store, ACTOR, "first", true);
    await world.meter("one-more");
    await expect(world.meter("another")).rejects.toMatchObject({ code: "CONFLICT" });
  });
});
