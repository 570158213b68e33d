import { graphql } from "graphql";
import pino from "pino";
import { Registry } from "prom-client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { authenticateApiKey, hashApiKey } from "#platform/auth/api-keys.js";
import { openDatabase } from "#platform/database/database.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import { withUpgradeStops } from "#platform/event-log/upgrade-stops.js";
import { notedPropagation } from "#platform/graphql/propagation.js";
import { systemClock } from "#platform/process/clock.js";
import { followTenancy, type TenancyCopy } from "#platform/tenancy-client/copy.js";
import { auditRecordedV1 } from "#schema/events/audit-recorded.v1.js";
import type { PartyText } from "#schema/party.js";
import type { Identity } from "#schema/policy.js";
import { API_KEYS_USED, AUDIT_RECORDED, TENANCY_APPLIED, TENANCY_CHANGED, type Topic } from "#schema/topics.js";
import { createMigratedDatabase } from "../../tests/servers/migrated.js";
import { hasPostgres, type TestDatabase, waitFor } from "../../tests/servers/servers.js";
import { refuseOnce } from "../../tests/support/refuse-once.js";
import { undisturbed } from "../../tests/support/undisturbed.js";
import { ask } from "./graph/graph.testing.js";
import { startTenancy } from "./main.js";
import { openLog } from "./world.testing.js";

const admin: Identity = { kind: "USER", id: "root", tenantId: null, roles: ["PLATFORM_ADMIN"], scopes: [] };

describe.skipIf(!hasPostgres)("a started tenancy", () => {
  let created: TestDatabase;
  let opened: Awaited<ReturnType<typeof openLog>>;
  beforeAll(async () => {
    created = await createMigratedDatabase("tenancy");
    opened = await openLog();
  });
  afterAll(async () => {
    await opened.close();
    await created.drop();
  });

  async function follow(log: EventLog): Promise<TenancyCopy> {
    const group = `copy-${Math.random()}`;
    return followTenancy({ log, group, clock: systemClock, onError: () => undefined });
  }

  /** Starts the service on `log` with a copy as another process would have it. */
  async function start(log: EventLog, seller: PartyText | null = null) {
    const tenancy = await follow(log);
    const metrics = new Registry();
    const service = await startTenancy({
      config: { seller },
      clock: systemClock,
      logger: pino({ level: "silent" }),
      log,
      metrics,
      tenancy,
      self: { role: "tenancy", instance: "tenancy-1" },
      openDatabase: () =>
        openDatabase({
          url: created.url,
          onError: () => undefined,
        }),
    });
    const subgraph = service.subgraph;
    if (subgraph === undefined) throw new Error("tenancy has no subgraph");
    return {
      copy: tenancy,
      service,
      metrics,
      mutate: (mutation: string) => ask(subgraph, admin, `mutation { ${mutation} }`),
      ask: (query: string) => ask(subgraph, admin, query),
      async propagationOf(mutation: string) {
        const contextValue = { identity: admin };
        await graphql({ schema: subgraph.schema, source: `mutation { ${mutation} }`, contextValue });
        const noted = notedPropagation(contextValue);
        if (noted === undefined) throw new Error("the mutation says nothing");
        return noted;
      },
      async stop(): Promise<void> {
        await service.stop();
        await tenancy.stop();
      },
    };
  }

  test("every copy follows changes, revocations too", async () => {
    const { copy, mutate, service, stop } = await start(opened.log);
    await mutate(`createTenant(input: { id: "acme", name: "Acme" }) { id }`);
    const issued = await mutate(
      `issueApiKey(input: { tenantId: "acme", name: "edge", scopes: [INGEST] }) { secret apiKey { id } }`,
    );
    const { secret, apiKey } = issued.data.issueApiKey;
    await waitFor(() => authenticateApiKey(copy, systemClock, secret), { what: "the key to be known" });
    expect(copy.tenant("acme")).toMatchObject({ name: "Acme", status: "ACTIVE" });

    await mutate(`revokeApiKey(id: "${apiKey.id}") { revokedAt }`);
    const isRevoked = () => copy.apiKeyByHash(hashApiKey(secret))?.revokedAt !== null;
    await waitFor(isRevoked, { what: "the revocation to arrive" });
    expect(() => authenticateApiKey(copy, systemClock, secret)).toThrow(/revoked/);

    expect(await service.readiness()).toEqual({ ready: true, reasons: [] });
    await stop();
  });

  test("a copy that starts later has everything, at the version that the heartbeat says", async () => {
    const { stop } = await start(opened.log);
    const late = await follow(opened.log);
    expect(late.tenant("acme")).toMatchObject({ name: "Acme" });
    expect(late.version()).toBe(3);
    await late.stop();
    await stop();
  });

  test("publishes everything again after the log was wiped, and nothing twice otherwise", async () => {
    const fresh = await openLog();
    const first = await start(fresh.log);
    await waitFor(() => first.copy.version() >= 3 && first.copy.tenant("acme"), { what: "the history to return" });
    await first.mutate(`updateTenant(id: "acme", input: { name: "Acme 2" }) { id }`);
    await waitFor(() => first.copy.tenant("acme")?.name === "Acme 2", { what: "the change to arrive" });
    await first.stop();

    const end = (await fresh.log.bounds(TENANCY_CHANGED, 0)).next;
    const second = await start(fresh.log);
    await waitFor(async () => (await fresh.log.bounds(TENANCY_CHANGED, 0)).next > end, { what: "the heartbeat" });
    await second.stop();
    const added = await fresh.log.read(TENANCY_CHANGED, 0, end, 100);
    expect(added.map(({ key }) => key)).toEqual(["heartbeat:heartbeat"]);
    await fresh.close();
  });

  test("an older state that a frozen process publishes late is followed by the newest again", async () => {
    const { copy, mutate, stop } = await start(opened.log);
    const ofTenant = async () => {
      const { first, next } = await opened.log.bounds(TENANCY_CHANGED, 0);
      const records = await opened.log.read(TENANCY_CHANGED, 0, first, next - first);
      return records.filter(({ key }) => key === "tenant:acme");
    };
    const [old] = await ofTenant();
    await mutate(`updateTenant(id: "acme", input: { name: "Newest" }) { id }`);
    await waitFor(() => copy.tenant("acme")?.name === "Newest", { what: "the newest state" });
    const { next } = await opened.log.bounds(TENANCY_CHANGED, 0);
    await opened.log.append(TENANCY_CHANGED, 0, [{ key: "tenant:acme", value: old?.value ?? Buffer.alloc(0) }]);
    const isFollowed = async () => {
      const last = (await ofTenant()).at(-1);
      return last !== undefined && last.offset >= next && JSON.parse(String(last.value)).name === "Newest";
    };
    await waitFor(isFollowed, { what: "the newest state to return" });
    await waitFor(() => copy.outdated().size === 0, { what: "the copy to read it" });
    const late = await follow(opened.log);
    expect(late.tenant("acme")).toMatchObject({ name: "Newest" });
    await late.stop();
    await stop();
  });

  test("malformed records of other services are kept or passed over, with an alarm; those of newer code are waited for", async () => {
    const log = withUpgradeStops(opened.log, new Registry());
    const { metrics, ask, stop } = await start(log);
    const append = (topic: Topic, text: string) => log.append(topic, 0, [{ value: Buffer.from(text) }]);
    const audit = (target: string) => JSON.stringify({ ...auditRecordedV1.example, target });
    await append(API_KEYS_USED, '{"uses":7}');
    await append(API_KEYS_USED, JSON.stringify({ uses: [{ keyId: "key_\0", at: 1 }] }));
    await append(API_KEYS_USED, JSON.stringify({ uses: [{ keyId: "key_1", at: -8.64e15 }] }));
    await append(AUDIT_RECORDED, audit("thing:before"));
    await append(AUDIT_RECORDED, "not JSON");
    for (const unstorable of [
      { target: "thing:\0" },
      { before: { "\ud83d": [] } },
      { after: [{ a: "\0" }] },
      { at: -8.64e15 },
      { at: 8.64e15 },
    ])
      await append(AUDIT_RECORDED, JSON.stringify({ ...auditRecordedV1.example, ...unstorable }));
    await append(AUDIT_RECORDED, audit("thing:between"));
    await append(AUDIT_RECORDED, '{"schema":"metrly.audit.recorded.v2"}');
    await append(AUDIT_RECORDED, audit("thing:after"));
    await waitFor(() => log.waitingForUpgrade().length > 0, { what: "the audit log to wait" });
    expect(log.waitingForUpgrade()).toEqual([
      expect.stringContaining("audit.recorded/0 offset 8: upgrade this process"),
    ]);
    const { data } = await ask("{ auditLog(first: 8) { nodes { action target } } }");
    expect(data.auditLog.nodes).toEqual([
      { action: auditRecordedV1.example.action, target: "thing:between" },
      ...[6, 5, 4, 3, 2, 1].map((offset) => ({
        action: "audit.malformed",
        target: `record:audit.recorded/0 offset ${offset}`,
      })),
      { action: auditRecordedV1.example.action, target: "thing:before" },
    ]);
    const count = async () => Number(/^metrly_malformed_records_total (.*)$/m.exec(await metrics.metrics())?.[1]);
    await waitFor(async () => (await count()) >= 9, { what: "every malformed record to be counted" });
    expect(await count()).toBe(9);
    await stop();
  });

  test("is not ready while its changes do not reach the log", async () => {
    const deaf: EventLog = { ...opened.log, append: () => Promise.reject(new Error("the log is away")) };
    const { metrics, mutate, service, stop } = await start(deaf);
    await mutate(`updateTenant(id: "acme", input: { name: "Acme 3" }) { id }`);
    const pool = await openDatabase({ url: created.url, onError: () => undefined });
    await pool.pool.query("UPDATE outbox SET created_at = created_at - interval '11 seconds'");
    expect(await service.readiness()).toEqual({ ready: false, reasons: ["changes of tenancy do not reach the log"] });
    expect(Number(/^metrly_tenancy_unpublished_seconds (.*)$/m.exec(await metrics.metrics())?.[1])).toBeGreaterThan(10);
    await pool.stop();
    await stop();

    const healed = await start(opened.log);
    await waitFor(() => healed.copy.tenant("acme")?.name === "Acme 3", { what: "what waited to arrive" });
    await healed.stop();
  });

  test("a mutation says which process has not applied it, whatever else is in the topic of reports", async () => {
    const append = (text: string) => opened.log.append(TENANCY_APPLIED, 0, [{ value: Buffer.from(text) }]);
    const report = (instance: string, version: number, more = {}) =>
      append(JSON.stringify({ role: "quota", instance, version, ...more }));
    await report("before the start", 0);
    const { propagationOf, stop } = await start(opened.log);
    await report("slow", 0);
    await report("fast", 1_000_000);
    await report("ended", 0);
    await report("ended", 0, { ended: true });
    await append("not JSON");
    await append('{"role":"quota","instance":"","version":-1}');
    const missing = [
      { role: "quota", instance: "before the start" },
      { role: "quota", instance: "slow" },
    ];
    const name = (name: string) => `updateTenant(id: "acme", input: { name: "${name}" }) { id }`;
    const first = await propagationOf(name("A"));
    expect(first).toMatchObject({ complete: false, missing });
    await report("before the start", 1_000_000);
    await report("slow", 1_000_000);
    // Whom a mutation does not hear of within its two seconds is missing for it.
    const second = await undisturbed(2_000, (_, n) => propagationOf(name(`B${n}`)));
    expect(second).toEqual({ version: expect.any(Number), complete: true, missing: [] });
    expect(second.version).toBeGreaterThan(first.version);
    await append('{"schema":"metrly.tenancy.applied.v2"}');
    expect(await propagationOf(name("C"))).toMatchObject({
      complete: false,
      missing: [],
      reason: "UNREADABLE_REPORTS",
    });
    await stop();
  });

  test("the seller that the settings name is published, and each change of it kept", async () => {
    const first = { name: "Seller", addressLines: ["Street 1"] };
    for (const seller of [first, first, null]) {
      const { copy, stop } = await start(opened.log, seller);
      const known = () => copy.seller()?.history.at(-1)?.party ?? null;
      await waitFor(() => JSON.stringify(known()) === JSON.stringify(seller), { what: "the seller to be known" });
      await stop();
    }
    const copy = await follow(opened.log);
    expect(copy.seller()?.history.map(({ party }) => party)).toEqual([first, null]);
    await copy.stop();
  });

  test("a start goes on though the database ended its first sessions, as after a stop of the machine", async () => {
    const admin = await openDatabase({ url: created.url, onError: () => undefined });
    const endRefusal = await refuseOnce(admin.pool, "tenancy_head");
    const { copy, stop } = await start(opened.log, { name: "Late Ltd", addressLines: [] });
    await waitFor(() => copy.seller()?.history.at(-1)?.party?.name === "Late Ltd", { what: "the seller" });
    await stop();
    await endRefusal();
    await admin.stop();
  });
});
