import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { DAY_MS } from "#kernel/duration.js";
import { serviceIdentity } from "#platform/auth/identity.js";
import { IDENTITY_HEADER, QUOTA_RECONCILE_PATH } from "#platform/auth/internal-api.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { hasPostgres, hasRedis, redisUrl, waitFor } from "../../tests/servers/servers.js";
import { type NewEntry, openWorld, type StartedService, type World } from "./world.testing.js";

describe.skipIf(!hasPostgres || !hasRedis)("a backfilled meter", () => {
  let world: World;
  let service: StartedService;

  beforeAll(async () => {
    world = await openWorld({ redisUrl: redisUrl() });
  });
  beforeEach(async () => {
    service = await world.startService();
  });
  afterEach(() => service.stop());
  afterAll(() => world.close());

  const call = (id: string, n: string) => ({ id, type: "use.calls", data: { n } });

  const usage = (tenantId: string, id: string, n: string): NewEntry & { kind: "event" } => ({
    ...{ kind: "event", tenantId, source: "test", receivedAt: 0, time: 0 },
    ...{ id, type: "use.calls", data: JSON.stringify({ n }) },
  });

  async function used(headers: { authorization: string }, meter: string): Promise<string | undefined> {
    const payload = { meter, idempotencyKey: "look" };
    const answer = await service.app.inject({ method: "POST", url: "/v1/quota/check", headers, payload });
    const body: { limits: { used: string }[] } = answer.json();
    return body.limits[0]?.used;
  }

  async function showsUsed(headers: { authorization: string }, meter: string, expected: string): Promise<void> {
    await waitFor(async () => (await used(headers, meter)) === expected, { what: `${meter} to show ${expected} used` });
  }

  async function voided(tenantId: string, [event]: readonly LedgerEntry[]): Promise<void> {
    if (event?.kind !== "event") throw new TypeError("only an event is taken back");
    await world.publish(tenantId, [{ kind: "void", tenantId, reason: "test", actor: "test", event }]);
  }

  async function differences(tenantId: string): Promise<unknown[]> {
    const response = await service.app.inject({
      method: "POST",
      url: `${QUOTA_RECONCILE_PATH}?tenantId=${tenantId}`,
      headers: { [IDENTITY_HEADER]: await world.identityTokens.sign(serviceIdentity("cli"), "quota") },
    });
    const steps = response.body.split("\n").filter((line) => line !== "");
    return steps.map((line): { kind: string } => JSON.parse(line)).filter(({ kind }) => kind === "difference");
  }

  test("counts events recorded unmetered in the current period, once, and retracts them when voided", async () => {
    const id = "filled";
    const testTenant = "filled-test";
    const clock = Date.UTC(2026, 0, 20);
    world.tenant(id, null);
    world.tenant(testTenant, null, { testClock: clock });
    const headers = world.key(id);
    // Its clock has stood still since: long before any period that runs for the others.
    const longAgo = Date.now() - 70 * DAY_MS;
    await world.publish(testTenant, [{ ...usage(testTenant, "of-test", "4"), time: clock - DAY_MS }], longAgo);
    const kept = await world.record(id, [call("kept", "1.5")]);
    await world.record(id, [call("other", "2"), { id: "unrelated", type: "use.other" }, call("unreadable", "many")]);
    await voided(id, await world.record(id, [call("gone", "100")]));
    await world.record(id, [{ ...call("long-ago", "1000"), time: Date.now() - 40 * DAY_MS }]);

    world.meter("calls");
    world.meter("sums", { aggregation: "SUM", valueProperty: "n", eventType: "use.calls" });
    world.plan("limited", [{ limit: "100" }, { limit: "4.25", meter: "sums" }]);
    world.tenant(id, "limited");
    world.tenant(testTenant, "limited", { testClock: clock });
    const backfill = (meterKey: string) => world.publish(id, [{ kind: "backfill", meterKey }]);
    await backfill("sums");
    await backfill("calls");
    await showsUsed(headers, "sums", "3.5");
    // COUNT reads every event of its type, whatever is in it.
    await showsUsed(headers, "calls", "3");
    const alerts = await waitFor(
      async () => {
        const found = await world.alerts(id);
        return found.length > 0 ? found : undefined;
      },
      { what: "the warning that the backfill crossed" },
    );
    expect(alerts).toMatchObject([{ data: { meter: "sums", used: "3.5" } }]);

    await backfill("sums");
    await world.record(id, [call("counted", "0.25")]);
    await showsUsed(headers, "sums", "3.75");
    await voided(id, kept);
    await showsUsed(headers, "sums", "2.25");
    await showsUsed(headers, "calls", "3");
    expect(await differences(id)).toEqual([]);
    await service.stop();
    service = await world.startService();
    await showsUsed(headers, "sums", "2.25");
    await showsUsed(world.key(testTenant), "sums", "4");
  });
});
