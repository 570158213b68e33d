import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Decimal } from "#kernel/decimal.js";
import { periodAt } from "#kernel/period.js";
import { serviceIdentity } from "#platform/auth/identity.js";
import { IDENTITY_HEADER, QUOTA_RECONCILE_PATH } from "#platform/auth/internal-api.js";
import { hasPostgres, hasRedis, PATIENCE_MS, redisUrl, waitFor } from "../../../tests/servers/servers.js";
import type { QuotaCounters } from "../counters/counters.js";
import { openRedisCounters } from "../counters/redis/redis.js";
import { amountOf } from "../rules/amount.js";
import { openWorld, type StartedService, type World } from "../world.testing.js";
import type { ReconcileStep } from "./reconcile-tenant.js";

describe.skipIf(!hasPostgres || !hasRedis)("reconciliation with the ledger", () => {
  let world: World;
  let service: StartedService;
  let counters: QuotaCounters;
  const { start: monthStart } = periodAt(Date.now(), 1);

  beforeAll(async () => {
    world = await openWorld({ redisUrl: redisUrl() });
    world.meter("calls");
    world.meter("tokens", { aggregation: "SUM", valueProperty: "n" });
    world.meter("named", { aggregation: "SUM", valueProperty: "n", dimensions: ["user", "model"] });
    world.plan("by-user", [
      { limit: "100", meter: "named", by: ["user"] },
      { limit: "100", meter: "named", where: [{ dimension: "model", value: "large" }] },
    ]);
    world.plan("both", [
      { limit: "100", meter: "calls" },
      { limit: "5.5", meter: "tokens" },
      { limit: "50", meter: "calls", window: "HOUR" },
      { limit: "70", meter: "calls", window: "CALENDAR_MONTH" },
    ]);
  });
  beforeEach(async () => {
    service = await world.startService();
    counters = await openRedisCounters({
      urls: [redisUrl()],
      answerWithinMs: PATIENCE_MS,
      prefix: `${world.namespace}:quota`,
      maxKeys: 1_000,
      onError: () => undefined,
    });
  });
  afterEach(async () => {
    await service.stop();
    await counters.stop();
  });
  afterAll(() => world.close());

  /** Again if a server did not answer in time. */
  const reconcile = (params: Readonly<Record<string, string>>, identity = serviceIdentity("cli")) =>
    waitFor(() => reconcileOnce(params, identity), { what: "a reconciliation that ends" });

  async function reconcileOnce(params: Readonly<Record<string, string>>, identity: ReturnType<typeof serviceIdentity>) {
    const response = await service.app.inject({
      method: "POST",
      url: `${QUOTA_RECONCILE_PATH}?${new URLSearchParams(params)}`,
      headers: { [IDENTITY_HEADER]: await world.identityTokens.sign(identity, "quota") },
    });
    if (response.statusCode !== 200) return { status: response.statusCode, steps: [], differences: [] };
    if (/"kind":"failed"/.test(response.body)) return undefined;
    const steps = response.body
      .split("\n")
      .filter((line) => line !== "")
      .map((line): ReconcileStep => JSON.parse(line));
    const differences = steps.flatMap((step) => (step.kind === "difference" ? [step.difference] : []));
    return { status: 200, steps, differences };
  }

  async function used(tenantId: string): Promise<void> {
    world.tenant(tenantId, "both");
    const headers = world.key(tenantId);
    const consume = { meter: "calls", idempotencyKey: "e1" };
    await service.app.inject({ method: "POST", url: "/v1/quota/consume", headers, payload: consume });
    await world.record(
      tenantId,
      Array.from({ length: 7 }, (_, n) => ({ id: `e${n}` })),
    );
    await world.record(tenantId, [{ id: "t", type: "use.tokens", data: { n: "1.25" } }]);
    await waitFor(() => world.appliedSeq(tenantId), { what: "usage to be applied" });
  }

  test("at rest, totals and counters match the ledger", async () => {
    await used("resting");
    const { steps, differences } = await reconcile({ tenantId: "resting" });
    expect(differences).toEqual([]);
    expect(steps.at(-1)).toMatchObject({ kind: "done", tenantId: "resting", events: 8 });
    expect(steps.at(-1)).not.toHaveProperty("countersSkipped");
  });

  test("a wrong total is shown, repaired, and then right in the counters too", async () => {
    await used("tampered");
    await world.database.pool.query(
      "UPDATE usage_total SET total = total + 3 WHERE tenant_id = 'tampered' AND meter = 'calls' AND grain = 'BILLING_PERIOD'",
    );
    const wrong = {
      ...{ tenantId: "tampered", meter: "calls", grain: "BILLING_PERIOD" },
      ...{ bucketStart: new Date(monthStart).toISOString(), ledger: "7", found: "10", wrong: "database" },
    };
    expect((await reconcile({ tenantId: "tampered" })).differences).toEqual([{ ...wrong, repaired: false }]);
    const repaired = await reconcile({ tenantId: "tampered", repair: "true" });
    expect(repaired.differences).toEqual([{ ...wrong, repaired: true }]);
    expect((await reconcile({ tenantId: "tampered" })).differences).toEqual([]);
  });

  test("days of the calendar that an older release did not store are added, and then count in the counters", async () => {
    await used("upgraded");
    await world.database.pool.query(
      "DELETE FROM usage_total WHERE tenant_id = 'upgraded' AND meter = 'calls' AND grain = 'CALENDAR_DAY'",
    );
    const missing = { meter: "calls", grain: "CALENDAR_DAY", ledger: "7", found: "0", wrong: "database" };
    const repaired = await reconcile({ tenantId: "upgraded", repair: "true" });
    expect(repaired.differences).toMatchObject([{ ...missing, repaired: true }]);
    expect((await reconcile({ tenantId: "upgraded" })).differences).toEqual([]);
    const answer = await service.app.inject({
      ...{ method: "POST", url: "/v1/quota/check", headers: world.key("upgraded") },
      payload: { meter: "calls" },
    });
    const { limits }: { limits: { window: string; used: string }[] } = answer.json();
    expect(limits.find(({ window }) => window === "CALENDAR_MONTH")?.used).toBe("7");
  });

  test("totals of a tenant without a plan, which a plan may need, are compared and repaired too", async () => {
    world.tenant("unplanned", null);
    await world.record("unplanned", [{ id: "e1" }, { id: "e2" }]);
    await waitFor(() => world.appliedSeq("unplanned"), { what: "usage to be applied" });
    await world.database.pool.query(
      "UPDATE usage_total SET total = total + 3 WHERE tenant_id = 'unplanned' AND grain = 'BILLING_PERIOD'",
    );
    const wrong = { meter: "calls", grain: "BILLING_PERIOD", ledger: "2", found: "5", wrong: "database" };
    const repaired = await reconcile({ tenantId: "unplanned", repair: "true" });
    expect(repaired.differences).toMatchObject([{ ...wrong, repaired: true }]);
    expect((await reconcile({ tenantId: "unplanned" })).differences).toEqual([]);
  });

  test("what an older release recorded before the first plan is added by its values, and then counts by them", async () => {
    world.tenant("older", null);
    const data = (model: string) => ({ n: "2", user: "u1", model });
    await world.record("older", [
      { id: "a", type: "use.named", data: data("large") },
      { id: "b", type: "use.named", data: data("small") },
    ]);
    await waitFor(() => world.appliedSeq("older"), { what: "usage to be applied" });
    for (const table of ["scoped_total", "combination", "combination_count"])
      await world.database.pool.query(`DELETE FROM ${table} WHERE tenant_id = 'older'`);
    const repaired = await reconcile({ tenantId: "older", repair: "true" });
    const missing = { meter: "named", grain: "BILLING_PERIOD", ledger: "2", found: "0", repaired: true };
    const dimensions = [
      { dimension: "user", value: "u1" },
      { dimension: "model", value: "large" },
    ];
    expect(repaired.differences).toMatchObject([missing, missing]);
    expect(repaired.differences.map((one) => one.dimensions)).toContainEqual(dimensions);
    expect((await reconcile({ tenantId: "older" })).differences).toEqual([]);
    world.tenant("older", "by-user");
    const answer = await service.app.inject({
      ...{ method: "POST", url: "/v1/quota/check", headers: world.key("older") },
      payload: { meter: "named", dimensions: { user: "u1", model: "large" } },
    });
    const { limits }: { limits: { where?: unknown; used: string }[] } = answer.json();
    expect(limits.find(({ where }) => where !== undefined)?.used).toBe("2");
  });

  test("a wrong counter is shown with the ledger's value, and repaired", async () => {
    await used("counted");
    const seq = (await counters.positions(["counted"]))[0] ?? 0;
    await counters.correct("counted", seq, [
      { counter: "tokens|BILLING_PERIOD", periodStart: monthStart, total: amountOf(new Decimal("4")) },
    ]);
    const wrong = { meter: "tokens", ledger: "1.25", found: "4", wrong: "counters" };
    expect((await reconcile({})).differences).toMatchObject([{ ...wrong, repaired: false }]);
    expect((await reconcile({ repair: "true" })).differences).toMatchObject([{ ...wrong, repaired: true }]);
    expect((await reconcile({})).differences).toEqual([]);
  });

  test("combinations of limits by dimension are compared by their names, in the database and the counters", async () => {
    world.tenant("combined", "by-user");
    const headers = world.key("combined");
    const data = (user: string, model: string) => ({ n: "2", user, model });
    await world.record("combined", [
      { id: "a", type: "use.named", data: data("u1", "large") },
      { id: "b", type: "use.named", data: data("u2", "large") },
      { id: "c", type: "use.named", data: data("u1", "small") },
    ]);
    await waitFor(() => world.appliedSeq("combined"), { what: "usage to be applied" });
    expect((await reconcile({ tenantId: "combined" })).differences).toEqual([]);
    const total =
      "SELECT series FROM scoped_total WHERE tenant_id = 'combined' AND total = 4 AND grain = 'BILLING_PERIOD'";
    const { rows } = await world.database.pool.query<{ series: string }>(total);
    expect(rows).toHaveLength(2);
    const ofUser = rows.map(({ series }) => series).find((series) => series.split("|").length === 3) ?? "";
    await world.database.pool.query("UPDATE scoped_total SET total = 9 WHERE tenant_id = 'combined' AND series = $1", [
      ofUser,
    ]);
    const wrong = { meter: "named", grain: "BILLING_PERIOD", ledger: "4", found: "9", wrong: "database" };
    const dimensions = [{ dimension: "user", value: "u1" }];
    const repaired = await reconcile({ tenantId: "combined", repair: "true" });
    expect(repaired.differences).toMatchObject([{ ...wrong, dimensions, repaired: true }]);
    expect((await reconcile({ tenantId: "combined" })).differences).toEqual([]);

    const payload = { meter: "named", amount: "0", dimensions: { user: "u1", model: "large" } };
    await service.app.inject({ method: "POST", url: "/v1/quota/check", headers, payload });
    const [, scope, combination] = ofUser.split("|");
    const seq = (await counters.positions(["combined"]))[0] ?? 0;
    await counters.correct("combined", seq, [
      {
        ...{ counter: `named|BILLING_PERIOD|${scope}|${combination}`, periodStart: monthStart },
        total: amountOf(new Decimal("1")),
      },
    ]);
    const ofCounter = { meter: "named", dimensions, ledger: "4", found: "1", wrong: "counters" };
    expect((await reconcile({ tenantId: "combined", repair: "true" })).differences).toMatchObject([ofCounter]);
    expect((await reconcile({ tenantId: "combined" })).differences).toEqual([]);
  });

  test("is for operators of this installation, and knows only tenants that there are", async () => {
    expect((await reconcile({ tenantId: "nobody" })).status).toBe(404);
    const user = { ...serviceIdentity("root"), kind: "USER" as const };
    expect((await reconcile({}, user)).status).toBe(403);
  });
});
