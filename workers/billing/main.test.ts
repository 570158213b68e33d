import { pino } from "pino";
import { Registry } from "prom-client";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createIdentityTokens } from "#platform/auth/identity.js";
import { type Database, openDatabase } from "#platform/database/database.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import { connectPostgresLog } from "#platform/event-log/postgres/log.js";
import { connectJobQueues } from "#platform/job-queue/bullmq/queues.js";
import type { JobQueues } from "#platform/job-queue/job-queue.js";
import { parseConfig } from "#platform/process/config.js";
import type { Service } from "#platform/process/service.js";
import { BILLING_EVENTS, TOPICS, USAGE_RECORDED } from "#schema/topics.js";
import { createMigratedDatabase } from "../../tests/servers/migrated.js";
import {
  createTestDatabase,
  hasPostgres,
  hasRedis,
  redisUrl,
  type TestDatabase,
  waitFor,
} from "../../tests/servers/servers.js";
import { PATIENT_LIMITS } from "../../tests/support/patient-limits.js";
import { startCloseWorker } from "./closing/close-worker.js";
import { startBilling } from "./main.js";
import {
  at,
  type BillingWorld,
  billingWorld,
  ledgerClientOf,
  ledgerFor,
  meter,
  planVersion,
  price,
  type TestLedger,
  tenant,
  usage,
} from "./world.testing.js";

const PARTITIONS = 4;
const JANUARY = at("2026-01-01T00:00:00");
const logger = pino({ level: "silent" });
/** Connections that end after their test are no finding; a failure that matters shows in what the test waits for. */
const onError = (): void => undefined;

function configure(world: BillingWorld): void {
  world.state.apply(meter("calls"));
  const prices = [price({ meter: "calls", model: "PER_UNIT", unitAmount: "1" })];
  world.state.apply({
    kind: "plan",
    id: "pro",
    version: 1,
    name: "Pro",
    archived: false,
    versions: [planVersion({ prices })],
  });
  world.state.apply(tenant("acme"));
}

describe.skipIf(!hasPostgres)("the billing service", () => {
  let world: BillingWorld;
  let databases: TestDatabase[];
  let logDatabase: Database;
  let log: EventLog;
  let jobs: JobQueues;
  let ledger: TestLedger;
  let service: Service | undefined;
  let failures: unknown[];
  let awaited: number[];

  beforeEach(async () => {
    failures = [];
    awaited = [];
    databases = await Promise.all([createMigratedDatabase("log"), createTestDatabase("billing_jobs")]);
    const [logUrl = "", jobsUrl = ""] = databases.map((created) => created.url);
    logDatabase = await openDatabase({
      url: logUrl,
      profiles: PATIENT_LIMITS,
      onError,
    });
    log = await connectPostgresLog({ database: logDatabase, onError });
    await log.ensureTopics(TOPICS, PARTITIONS);
    jobs = await connectJobQueues({ backend: { kind: "postgres", url: jobsUrl }, onError });
    world = await billingWorld();
    configure(world);
    ledger = ledgerFor("acme", PARTITIONS);
  });
  afterEach(async () => {
    await service?.stop();
    service = undefined;
    await jobs.stop();
    await log.stop();
    await logDatabase.stop();
    await world.stop();
    await Promise.all(databases.map((created) => created.drop()));
  });

  async function start(): Promise<Service> {
    service = await startBilling({
      config: parseConfig({ METRLY_PARTITIONS: String(PARTITIONS) }),
      clock: world.clock,
      logger,
      metrics: new Registry(),
      log,
      jobs,
      tenancy: {
        ...world.tenancy,
        reached(version, signal) {
          awaited.push(version);
          return world.tenancy.reached(version, signal);
        },
      },
      ledger: ledgerClientOf([ledger]),
      self: { role: "billing", instance: "billing-1" },
      identityTokens: createIdentityTokens("0".repeat(32)),
      openDatabase: () => openDatabase({ url: world.database.url, onError }),
      fail: (error) => failures.push(error),
    });
    await service.begin?.();
    return service;
  }

  function publish(firstSeq: number, lastSeq: number): Promise<void> {
    const entries = ledger.entries.slice(firstSeq - 1, lastSeq);
    const value = Buffer.from(JSON.stringify({ partition: ledger.partition, firstSeq, lastSeq, entries }));
    return log.append(USAGE_RECORDED, ledger.partition, [{ value }]);
  }

  test("closes what the log tells, once, although publishing repeats and leaves a gap, and announces it", async () => {
    for (let n = 0; n < 20; n += 1) ledger.record(usage("acme", `e${n}`, JANUARY + n));
    ledger.record({ kind: "tick", at: at("2026-02-04T00:00:00") });
    const started = await start();
    await publish(1, 8);
    await publish(3, 8);
    await publish(15, 21);
    const invoices = await waitFor(
      async () => {
        const found = await world.invoices("acme");
        return found.length > 0 ? found : undefined;
      },
      { what: "the invoice" },
    );
    expect(invoices.map((i) => JSON.parse(i.document).total)).toEqual(["20.00"]);
    const announced = await waitFor(
      async () => {
        const records = await log.read(BILLING_EVENTS, ledger.partition, 0, 10);
        return records.length >= 2 ? records : undefined;
      },
      { what: "both events" },
    );
    expect(announced.map((record) => JSON.parse(record.value.toString()).type)).toEqual([
      "metrly.billing.period.closed.v1",
      "metrly.invoice.generated.v1",
    ]);
    world.clock.set(Date.now());
    expect(await started.readiness()).toEqual({ ready: true, reasons: [] });
  });

  test("goes on from the ledger when the log forgets what it has not read", async () => {
    for (let n = 0; n < 5; n += 1) ledger.record({ ...usage("acme", `e${n}`, JANUARY + n), tenancyVersion: 99 });
    ledger.record({ kind: "tick", at: at("2026-02-04T00:00:00") });
    await publish(1, 3);
    await start();
    await waitFor(() => awaited.includes(99), { what: "the batch to wait for tenancy" });
    await publish(4, 4);
    await publish(5, 6);
    await log.trim(USAGE_RECORDED, ledger.partition, 2);
    world.state.apply({ kind: "heartbeat", id: "heartbeat", version: 99, at: 0 });
    const invoices = await waitFor(
      async () => {
        const found = await world.invoices("acme");
        return found.length > 0 ? found : undefined;
      },
      { what: "the invoice" },
    );
    expect(invoices.map((i) => JSON.parse(i.document).total)).toEqual(["5.00"]);
    expect(failures).toEqual([]);
  });

  test("is not ready while a close is stuck", async () => {
    ledger.record(usage("acme", "a", JANUARY), { kind: "tick", at: at("2026-02-04T00:00:00") });
    // A plan that this process does not know: the close fails.
    const [assignment] = tenant("acme").assignments;
    if (assignment === undefined) throw new Error("the test tenant has a plan");
    world.state.apply(tenant("acme", { version: 2, assignments: [{ ...assignment, planVersion: 9 }] }));
    const started = await start();
    await publish(1, 2);
    await waitFor(async () => (await world.database.pool.query("SELECT 1 FROM billing_period")).rowCount === 1, {
      what: "the period to end",
    });
    world.clock.advance(600_000);
    world.clock.set(Date.now() + 600_000);
    expect((await started.readiness()).reasons).toEqual(["the close of a billing period of acme is stuck"]);
  });

  test("is not ready, and says so, while its database does not answer", async () => {
    const started = await start();
    const name = new URL(world.database.url).pathname.slice(1);
    await logDatabase.pool.query(`ALTER DATABASE "${name}" ALLOW_CONNECTIONS false`);
    await logDatabase.pool.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", [name]);
    expect((await started.readiness()).reasons).toContain("billing's database does not answer");
    await logDatabase.pool.query(`ALTER DATABASE "${name}" ALLOW_CONNECTIONS true`);
    await waitFor(async () => !(await started.readiness()).reasons.includes("billing's database does not answer"), {
      what: "the database to be back",
    });
  });
});

describe.skipIf(!hasPostgres)("closes", () => {
  const backends = [
    { name: "PostgreSQL", available: hasPostgres, connect: (url: string) => ({ kind: "postgres" as const, url }) },
    { name: "Redis", available: hasRedis, connect: () => ({ kind: "redis" as const, url: redisUrl() }) },
  ];
  for (const backend of backends) {
    test.skipIf(!backend.available)(`that the queue lost or that failed are done later (${backend.name})`, async () => {
      const created = await createTestDatabase("billing_jobs");
      const world = await billingWorld();
      const ledger = ledgerFor("acme");
      world.state.apply(meter("calls"));
      world.state.apply(tenant("acme"));
      ledger.record(usage("acme", "a", JANUARY), { kind: "tick", at: at("2026-02-04T00:00:00") });
      // The world's queue keeps no job: it is lost. The plan is unknown: the first attempts fail.
      await world.deliver(ledger);
      const jobs = await connectJobQueues({
        backend: backend.connect(created.url),
        prefix: created.url.slice(-12),
        onError,
      });
      let failures = 0;
      const { database, tenancy, clock } = world;
      const queue = jobs.queue<{ tenantId: string }>("billing-close");
      const worker = startCloseWorker({
        ...{ database, tenancy, clock, jobs, queue, logger },
        sweepIntervalMs: 50,
        onFailed: () => {
          failures += 1;
        },
      });
      await waitFor(() => failures > 0, { what: "a failed close" });
      configure(world);
      await waitFor(async () => (await world.invoices("acme")).length === 1, { what: "the invoice" });
      await worker.stop();
      await jobs.stop();
      await world.stop();
      await created.drop();
    });
  }
});
