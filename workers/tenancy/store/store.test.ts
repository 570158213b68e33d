import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { manualClock } from "#kernel/clock.js";
import { DAY_MS } from "#kernel/duration.js";
import { openDatabase } from "#platform/database/database.js";
import { PROFILES } from "#platform/database/profiles.js";
import type { Identity } from "#schema/policy.js";
import { hasPostgres } from "../../../tests/servers/servers.js";
import { issueApiKey } from "../changes/api-keys.js";
import { archiveMeter, createMeter } from "../changes/meters.js";
import { createPlan, publishPlanVersion } from "../changes/plans.js";
import { cancelPlanChange, changePlan, createTenant, moveTenant, updateTenant } from "../changes/tenants.js";
import { ACTOR, countMeter, NOW, newTenant, openWorld, terms, type World } from "../world.testing.js";
import type { AuditState } from "./reads.js";
import { createTenancyStore } from "./store.js";

const conflict = expect.objectContaining({ code: "CONFLICT" });
const DECEMBER = Date.UTC(2026, 11, 1);

describe.skipIf(!hasPostgres)("tenancy's store", () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld();
  });
  afterAll(() => world.close());

  test("gives concurrent changes of two processes strictly ascending versions, and the outbox has them in that order", async () => {
    const before = (await world.outbox()).length;
    const stores = [world.store, world.anotherProcess];
    const storeOf = (n: number) => stores[n % 2] ?? world.store;
    const tenants = await Promise.all(
      Array.from({ length: 20 }, (_, n) => createTenant(storeOf(n), ACTOR, newTenant(`crowd-${n}`))),
    );
    const renamed = await Promise.all(
      tenants.map(({ id }, n) => updateTenant(storeOf(n), ACTOR, id, { name: `${id}!`, graceDays: undefined })),
    );
    const versions = [...tenants, ...renamed].map((tenant) => tenant.version);
    expect(new Set(versions).size).toBe(40);
    const published = (await world.outbox()).slice(before).map(({ version }) => version);
    expect(published).toEqual(versions.toSorted((a, b) => a - b));
    expect(published.at(-1)).toBe((published[0] ?? 0) + 39);
  });

  test("a change whose session is ended before its commit is BUSY", async () => {
    const hot = { ...PROFILES.hot, idleInTransactionMs: 100 };
    const database = await openDatabase({
      ...{ url: world.url, profiles: { ...PROFILES, hot }, onError: () => undefined },
    });
    const clock = manualClock(NOW);
    const store = createTenancyStore({ database, clock, partitions: 1, onCommitted: () => undefined });
    // As a machine that stops: the commit is sent before its answer, the end of the session, is read.
    const standStill = async () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
    await expect(store.change(ACTOR, standStill)).rejects.toMatchObject({ code: "BUSY" });
    await store.stop();
    await database.stop();
  });

  test("the last use of a key is not published with it, nor set back by a change of the key", async () => {
    const { store } = world;
    await world.tenant("keyed");
    const issuer: Identity = { kind: "USER", id: "test", tenantId: null, roles: ["PLATFORM_ADMIN"], scopes: [] };
    const { apiKey } = await issueApiKey(store, issuer, {
      ...{ tenantId: "keyed", platform: false, name: "used", scopes: ["READ"], expiresAt: null },
    });
    await store.noteKeyUses([{ keyId: apiKey.id, at: NOW }]);
    await store.change(ACTOR, async (change) => {
      const before = await change.apiKey(apiKey.id);
      if (before === undefined) throw new Error("the key is gone");
      await store.noteKeyUses([{ keyId: apiKey.id, at: NOW + 1 }]);
      const after = { ...before, version: change.nextVersion(), revokedAt: NOW };
      return change.save({ action: "apiKey.revoke", before, after });
    });
    expect(await store.keyUses([apiKey.id])).toEqual(new Map([[apiKey.id, NOW + 1]]));
    const published = await world.database.pool.query(
      "SELECT value FROM outbox WHERE key = $1 ORDER BY id DESC LIMIT 1",
      [`apiKey:${apiKey.id}`],
    );
    expect(JSON.parse(published.rows[0]?.value)).toEqual({ ...apiKey, version: expect.any(Number), revokedAt: NOW });
  });

  test("a change that fails leaves no version, no row, no audit entry and nothing to publish", async () => {
    const [outbox, audit] = [
      await world.outbox(),
      await world.store.auditLog({ after: undefined, take: 500, tenantId: undefined }),
    ];
    await expect(world.tenant("planless", "no-such-plan")).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(
      world.store.change(ACTOR, async (change) => {
        const tenant = await change.tenant("crowd-0");
        if (tenant === undefined) throw new Error("no tenant");
        await change.save({
          action: "tenant.update",
          before: tenant,
          after: { ...tenant, version: change.nextVersion() },
        });
        throw new Error("after the write");
      }),
    ).rejects.toThrow("after the write");
    expect(await world.outbox()).toEqual(outbox);
    expect(await world.store.auditLog({ after: undefined, take: 500, tenantId: undefined })).toEqual(audit);
    expect(await world.store.tenantsByIds(["planless"])).toEqual([]);
    expect((await world.tenant("next-one")).version).toBe((outbox.at(-1)?.version ?? 0) + 1);
  });

  test("reads back exactly the states that it published", async () => {
    await world.meter("calls", ["region"]);
    const plan = await world.plan("pro", "calls", "0.000000000001");
    const tenant = await world.tenant("reader", "pro");
    expect(await world.store.tenantsByIds(["reader"])).toEqual([tenant]);
    expect(await world.store.plansByIds(["pro"])).toEqual([plan]);
    const { rows } = await world.database.pool.query("SELECT value FROM outbox WHERE key = 'tenant:reader'");
    expect(JSON.parse(rows[0].value)).toEqual(tenant);
  });

  test("the active meters are read again only after one changed, in any process", async () => {
    const other = world.anotherProcess;
    const keys = async () => (await world.store.activeMeters()).map(({ id }) => id);
    await createMeter(other, ACTOR, countMeter("listed"));
    const listed = await world.store.activeMeters();
    expect(await world.store.activeMeters()).toBe(listed);
    await createMeter(other, ACTOR, countMeter("added"));
    expect(await keys()).toEqual([...listed.map(({ id }) => id), "added"]);
    await archiveMeter(other, ACTOR, "added", false);
    expect(await keys()).toEqual(listed.map(({ id }) => id));
    const tooLarge = new Error("too large");
    const refuse = () => {
      throw tooLarge;
    };
    await expect(world.store.activeMeters(refuse)).rejects.toBe(tooLarge);
  });

  test("a closed tenant has its closing time, by its own clock, in published and stored state", async () => {
    const clock = Date.UTC(2030, 4, 5);
    for (const [id, testClock, closedAt] of [
      ["leaver", null, NOW],
      ["test-leaver", clock, clock],
    ] as const) {
      await createTenant(world.store, ACTOR, { ...newTenant(id), testClock });
      const closed = await moveTenant(world.store, ACTOR, id, "close");
      expect(closed).toMatchObject({ status: "CLOSED", closedInVersion: closed.version, closedAt });
      expect(await world.store.tenantsByIds([id])).toEqual([closed]);
    }
  });

  test("a repeated create answers the same, with another input it is a CONFLICT", async () => {
    const input = newTenant("twice", "pro");
    const first = await createTenant(world.store, ACTOR, input);
    await moveTenant(world.store, ACTOR, "twice", "suspend", { reason: "does not pay" });
    world.clock.advance(40 * DAY_MS);
    const repeated = await createTenant(world.store, ACTOR, input);
    world.clock.set(NOW);
    expect(repeated).toMatchObject({ id: "twice", status: "SUSPENDED", createdInVersion: first.createdInVersion });
    await expect(createTenant(world.store, ACTOR, { ...input, graceDays: 4 })).rejects.toEqual(conflict);

    await expect(world.plan("pro", "calls", "0.000000000001")).resolves.toMatchObject({ id: "pro" });
    await expect(world.plan("pro", "calls", "0.5")).rejects.toEqual(conflict);
    await expect(world.meter("calls", ["region"])).resolves.toMatchObject({ id: "calls" });
    await expect(world.meter("calls")).rejects.toEqual(conflict);
  });

  test("twenty concurrent creations of the same tenant return the same one", async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => world.tenant("popular")));
    expect(new Set(all.map((tenant) => tenant.version)).size).toBe(1);
  });

  test("the database refuses to rewrite a published plan version or the audit log", async () => {
    const refused = /append-only/;
    const { pool } = world.database;
    await expect(pool.query("UPDATE plan_version SET recurring_fee = 0")).rejects.toThrow(refused);
    await expect(pool.query("DELETE FROM plan_version")).rejects.toThrow(refused);
    await expect(pool.query("TRUNCATE plan_version CASCADE")).rejects.toThrow(refused);
    await expect(pool.query("UPDATE audit_entry SET actor = 'nobody'")).rejects.toThrow(refused);
    await expect(pool.query("DELETE FROM audit_entry")).rejects.toThrow(refused);
  });

  test("the audit log has actor, action and target, with the states before and after", async () => {
    await world.tenant("audited");
    await moveTenant(world.store, "user:alice", "audited", "suspend", { reason: "does not pay" });
    const [newest, oldest] = await world.store.auditLog({ after: undefined, take: 10, tenantId: "audited" });
    expect(newest).toMatchObject({
      at: NOW,
      actor: "user:alice",
      action: "tenant.suspend",
      target: "tenant:audited",
    });
    expect(oldest).toMatchObject({ actor: ACTOR, action: "tenant.create" });
    const ids = [newest?.id ?? 0, oldest?.id ?? 0];
    const states = async (which: AuditState) => {
      const found = await world.store.auditStates(which, ids);
      return ids.map((id) => found.get(id));
    };
    expect(await states("before")).toMatchObject([{ status: "ACTIVE" }, null]);
    expect(await states("after")).toMatchObject([{ status: "SUSPENDED", reason: "does not pay" }, { id: "audited" }]);
  });

  test("a pending change of plan is replaced, cancelled, and kept as history", async () => {
    for (const id of ["basic", "max"]) await world.plan(id, "calls");
    await world.tenant("mover", "pro");
    const change = (planId: string) =>
      changePlan(world.store, ACTOR, { tenantId: "mover", planId, version: undefined });
    expect((await change("basic")).assignment).toMatchObject({ planId: "basic", effectiveFrom: DECEMBER });
    const replaced = await change("max");
    expect(replaced.assignment).toMatchObject({ planId: "max", effectiveFrom: DECEMBER });
    expect((await change("max")).tenant.version).toBe(replaced.tenant.version);
    const cancelled = await cancelPlanChange(world.store, ACTOR, "mover");
    expect((await world.store.tenantsByIds(["mover"]))[0]).toEqual(cancelled);
    expect(cancelled.assignments.map((one) => [one.planId, one.cancelledInVersion !== null])).toEqual([
      ["pro", false],
      ["basic", true],
      ["max", true],
    ]);
    await expect(cancelPlanChange(world.store, ACTOR, "mover")).rejects.toEqual(conflict);
  });

  test("a plan in another currency is refused", async () => {
    await createPlan(world.store, ACTOR, { id: "usd", name: "USD", version: { ...terms("calls"), currency: "USD" } });
    await expect(
      changePlan(world.store, ACTOR, { tenantId: "mover", planId: "usd", version: undefined }),
    ).rejects.toMatchObject({ code: "INVALID" });
  });

  test("publishing adds a version and leaves the earlier ones as they were", async () => {
    const [before] = await world.store.plansByIds(["basic"]);
    const after = await publishPlanVersion(world.store, ACTOR, "basic", terms("calls", "9"));
    expect(after.versions.map(({ version }) => version)).toEqual([1, 2]);
    expect(after.versions[0]).toEqual(before?.versions[0]);
    expect(await world.store.plansByIds(["basic"])).toEqual([after]);
  });

  test("a meter with backfill is announced once in every partition of usage, after its own state and with its version", async () => {
    const input = { ...countMeter("found"), backfill: true };
    const made = await createMeter(world.store, ACTOR, input);
    expect(await createMeter(world.store, ACTOR, input)).toEqual(made);
    const { rows } = await world.database.pool.query<{ topic: string; partition: number; value: string }>(
      "SELECT topic, partition, value FROM outbox WHERE key IN ('meter:found', 'backfill:found') ORDER BY id",
    );
    const record = { kind: "backfill", meterKey: "found", tenancyVersion: made.version };
    expect(rows.map(({ topic, partition, value }) => ({ topic, partition, value: JSON.parse(value) }))).toEqual([
      { topic: "tenancy.changed", partition: 0, value: made },
      ...[0, 1, 2].map((partition) => ({ topic: "usage.received", partition, value: record })),
    ]);
  });

  test("an archived meter keeps its key and can't be priced any more", async () => {
    await world.meter("old");
    const archived = await archiveMeter(world.store, ACTOR, "old", false);
    expect(archived.archivedInVersion).toBe(archived.version);
    await expect(createMeter(world.store, ACTOR, countMeter("old", ["x"]))).rejects.toEqual(conflict);
    await expect(world.plan("outdated", "old")).rejects.toMatchObject({
      code: "INVALID",
      extensions: { errors: [{ path: "version.prices[0].meter" }] },
    });
  });

  test("a heartbeat carries the version of everything before it and only the newest waits", async () => {
    await world.store.heartbeat();
    await world.tenant("beaten");
    await world.store.heartbeat();
    const waiting = await world.outbox();
    const heartbeats = waiting.filter(({ key }) => key === "heartbeat:heartbeat");
    expect(heartbeats).toEqual([{ key: "heartbeat:heartbeat", version: waiting.at(-2)?.version }]);
    expect(waiting.at(-1)).toEqual(heartbeats[0]);
  });
});
