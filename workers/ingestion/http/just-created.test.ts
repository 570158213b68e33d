import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MetrlyError } from "#kernel/errors.js";
import type { TenancyChangedV1 } from "#schema/events/tenancy-changed.v1.js";
import { hasPostgres, waitFor } from "../../../tests/servers/servers.js";
import { apiKeyState, meterState, openWorld, startService, tenantState, type World } from "../world.testing.js";

/** What tenancy has published and this process has not read yet. */
let unread: TenancyChangedV1[] = [];
let reads = 0;
let isLogUp = true;

describe.skipIf(!hasPostgres)("what was created a moment ago", () => {
  let world: World;
  let service: Awaited<ReturnType<typeof startService>>;
  const platform = apiKeyState(null, ["INGEST", "READ"]);

  beforeAll(async () => {
    world = await openWorld();
    world.apply(platform.state);
    world.apply(tenantState("acme"));
    const { apply } = world;
    async function caughtUp(): Promise<void> {
      reads += 1;
      if (!isLogUp) throw new MetrlyError("UNAVAILABLE", "the log is down", { retryAfterSeconds: 1 });
      for (const state of unread) apply(state);
      unread = [];
    }
    service = await startService({ ...world, tenancy: { ...world.tenancy, caughtUp } }, { tickMs: 200 });
    await service.service.begin?.();
  });
  afterAll(async () => {
    await service.stop();
    await world.close();
  });

  async function post(secret: string, subject: string | undefined, changed: Record<string, unknown> = {}) {
    const event = { specversion: "1.0", id: "first", source: "test", type: "api.request", ...changed, subject };
    const { statusCode, headers, body } = await service.app.inject({
      method: "POST",
      url: "/v1/events",
      headers: { authorization: `Bearer ${secret}`, "content-type": "application/cloudevents+json" },
      payload: JSON.stringify(event),
    });
    return { status: statusCode, headers, body: JSON.parse(body) };
  }

  async function lookUp(secret: string, id: string, tenantId = "acme") {
    const { statusCode, body } = await service.app.inject({
      url: `/v1/events?source=test&id=${id}&tenantId=${tenantId}`,
      headers: { authorization: `Bearer ${secret}` },
    });
    return { status: statusCode, body: JSON.parse(body) };
  }

  test("a key and a tenant are known to their first request, and what exists nowhere is refused after one read", async () => {
    const key = apiKeyState("acme");
    unread = [key.state];
    expect(await post(key.secret, undefined)).toMatchObject({ status: 202 });
    unread = [tenantState("brand-new")];
    expect(await post(platform.secret, "brand-new")).toMatchObject({ status: 202, body: { accepted: 1 } });

    const before = reads;
    expect(await post(apiKeyState("acme").secret, undefined)).toMatchObject({ status: 401 });
    expect(await post(platform.secret, "nobody")).toMatchObject({ status: 400, body: { code: "INVALID" } });
    expect(reads).toBe(before + 2);
    expect(await post("mtr_live_not-a-key", undefined)).toMatchObject({ status: 401 });
    expect(reads).toBe(before + 2);
  });

  test("while the log cannot be read nothing unknown is refused for good, and what is known goes on", async () => {
    isLogUp = false;
    const refusals = [await post(apiKeyState("acme").secret, undefined), await post(platform.secret, "nobody")];
    const known = await post(platform.secret, "acme", { id: "known" });
    isLogUp = true;
    for (const refusal of refusals)
      expect(refusal).toMatchObject({ status: 503, headers: { "retry-after": expect.stringMatching(/^\d+$/) } });
    expect(known.status).toBe(202);
  });

  test("a type whose meter this process has not read yet is recorded under that meter's version", async () => {
    const meter = meterState("fresh", "fresh.call");
    unread = [meter];
    expect(await post(platform.secret, "acme", { id: "fresh", type: "fresh.call" })).toMatchObject({ status: 202 });
    await waitFor(async () => (await lookUp(platform.secret, "fresh")).status === 200, {
      what: "the event is recorded",
    });
    const { rows } = await world.database.pool.query<{ tenancy_version: number }>(
      "SELECT max(tenancy_version) AS tenancy_version FROM recorder_cursor",
    );
    expect(Number(rows[0]?.tenancy_version)).toBeGreaterThanOrEqual(meter.version);
  });

  test("GET tells how many other payloads came under an event's key, and since when", async () => {
    expect((await lookUp(platform.secret, "first")).body).toMatchObject({ conflicts: 0, conflictsSince: null });
    for (const n of [1, 2]) await post(platform.secret, "acme", { id: "first", data: { n } });
    await waitFor(async () => (await lookUp(platform.secret, "first")).body.conflicts === 2, {
      what: "both conflicts",
    });
    expect((await lookUp(platform.secret, "first")).body.conflictsSince).toMatch(/Z$/);
  });
});
