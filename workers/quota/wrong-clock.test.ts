import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DAY_MS } from "#kernel/duration.js";
import { hasPostgres, hasRedis, redisUrl } from "../../tests/servers/servers.js";
import { openWorld, type StartedService, type World } from "./world.testing.js";

const LIMIT = 3;

describe.skipIf(!hasPostgres || !hasRedis)("a process whose clock is wrong", () => {
  let world: World;
  let service: StartedService;
  let offMs = 0;
  beforeAll(async () => {
    world = await openWorld({ clock: { now: () => Date.now() + offMs }, redisUrl: redisUrl() });
    for (const window of ["BILLING_PERIOD", "CALENDAR_MONTH"] as const)
      world.plan(window, [{ meter: null, limit: String(LIMIT), window }]);
    service = await world.startService();
  });
  afterAll(async () => {
    await service.stop();
    await world.close();
  });

  /** Asks twice as often as the limit allows; answers the statuses. */
  async function exhaust(headers: { readonly authorization: string }, name: string): Promise<readonly number[]> {
    const statuses: number[] = [];
    for (let n = 0; n < 2 * LIMIT; n += 1) {
      const payload = { idempotencyKey: `${name}-${n}` };
      const { statusCode } = await service.app.inject({
        ...{ method: "POST", url: "/v1/quota/consume", headers, payload },
      });
      statuses.push(statusCode);
    }
    return statuses;
  }

  test.for(
    (["BILLING_PERIOD", "CALENDAR_MONTH"] as const).flatMap((window) => [
      { window, days: 40 },
      { window, days: -40 },
    ]),
  )("decides in the window of the counters' clock: $window, $days days", async ({ window, days }) => {
    const ALL = [200, 200, 200, 429, 429, 429];
    const NONE = ALL.map(() => 429);
    const [used, unused] = ["used", "unused"].map((state) => {
      const id = `${state} ${window} ${days}`;
      const inVersion = world.tenancy.version();
      // Where its clock is behind, the tenant seems to have no plan yet.
      const effectiveFrom = Date.now() - 35 * DAY_MS;
      const assignment = { planId: window, planVersion: 1, effectiveFrom, inVersion, cancelledInVersion: null };
      world.tenant(id, window, { assignments: [assignment] });
      return world.key(id);
    });
    if (used === undefined || unused === undefined) throw new Error("no tenant");
    expect(await exhaust(used, "before")).toEqual(ALL);
    offMs = days * DAY_MS;
    try {
      expect(await exhaust(used, "during")).toEqual(NONE);
      expect(await exhaust(unused, "during")).toEqual(ALL);
    } finally {
      offMs = 0;
    }
    expect(await exhaust(used, "after")).toEqual(NONE);
    expect(await exhaust(unused, "after")).toEqual(NONE);
  });
});
