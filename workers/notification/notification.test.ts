import { Webhook } from "standardwebhooks";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { HOUR_MS } from "#kernel/duration.js";
import { partitionOf } from "#kernel/partition.js";
import type { Database } from "#platform/database/database.js";
import type { Service } from "#platform/process/service.js";
import { DELIVER_QUEUE } from "#schema/queues.js";
import { BILLING_EVENTS, QUOTA_ALERTS } from "#schema/topics.js";
import { hasPostgres, waitFor } from "../../tests/servers/servers.js";
import { rewriteRecord } from "../../tests/support/rewrite-record.js";
import { refuseLargeInserts } from "../../tests/support/slow-inserts.js";
import { undisturbed } from "../../tests/support/undisturbed.js";
import { claimDelivery, finishAttempt } from "./store/deliveries.js";
import { adminOf, ask, exceeded, invoice, ok, openWorld, startReceiver, type World, warning } from "./world.testing.js";

type Receiver = Awaited<ReturnType<typeof startReceiver>>;

describe.skipIf(!hasPostgres)("from an event to a webhook", () => {
  let world: World;
  let database: Database;
  const receivers: Receiver[] = [];
  const services: Service[] = [];
  beforeAll(async () => {
    world = await openWorld("delivery");
    await world.stopService(await world.start());
    database = await world.openDatabase();
  });
  afterEach(async () => {
    for (const service of services.splice(0)) await world.stopService(service);
    for (const receiver of receivers.splice(0)) await receiver.close();
    await database.pool.query("TRUNCATE webhook_endpoint CASCADE");
  });
  afterAll(async () => {
    await database.stop();
    await world.close();
  });

  async function start(tuning: Parameters<World["start"]>[0] = {}): Promise<Service> {
    const service = await world.start(tuning);
    services.push(service);
    return service;
  }

  async function receiver(...args: Parameters<typeof startReceiver>): Promise<Receiver> {
    const started = await startReceiver(...args);
    receivers.push(started);
    return started;
  }

  const EVERYTHING = ["quota.warning", "quota.exceeded", "billing.period.closed", "invoice.generated"];

  async function createEndpoint(service: Service, url: string, eventTypes = EVERYTHING, tenantId = "acme") {
    const { data, messages } = await ask(
      service,
      adminOf(tenantId),
      "mutation ($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) { secret endpoint { id } } }",
      { input: { tenantId, url, eventTypes } },
    );
    if (messages.length > 0) throw new Error(messages.join("; "));
    return { id: String(data.createWebhookEndpoint.endpoint.id), secret: String(data.createWebhookEndpoint.secret) };
  }

  /** One delivery's state, by its event. */
  async function deliveryOf(eventId: string) {
    const { rows } = await database.pool.query<{
      id: string;
      status: string;
      dead_reason: string | null;
      attempt_count: number;
      errors: (string | null)[];
    }>(
      `SELECT id, status, dead_reason, attempt_count, ARRAY(SELECT error FROM webhook_attempt a
         WHERE a.tenant_id = d.tenant_id AND a.delivery_id = d.id ORDER BY number) AS errors
       FROM webhook_delivery d WHERE event_id = $1`,
      [eventId],
    );
    return rows[0];
  }

  const becomes = (eventId: string, status: string) =>
    waitFor(
      async () => {
        const delivery = await deliveryOf(eventId);
        return delivery?.status === status ? delivery : undefined;
      },
      { what: `${eventId} to be ${status}` },
    );

  test("an alert and an invoice arrive signed, as {type, timestamp, data} with their places", async () => {
    const service = await start();
    const target = await receiver(ok);
    const { secret } = await createEndpoint(service, target.url);
    await world.publish(QUOTA_ALERTS, exceeded("acme", "signed-1"));
    await world.publish(BILLING_EVENTS, invoice("acme", "inv-signed"));
    await waitFor(() => target.received.length === 2, { what: "two webhooks" });
    const verified = target.received.map(({ headers, body }) => new Webhook(secret).verify(body, flat(headers)));
    expect(verified).toContainEqual({
      type: "quota.exceeded",
      timestamp: exceeded("acme", "").time,
      sequence: "1",
      endpointSequence: expect.stringMatching(/^[12]$/),
      data: exceeded("acme", "").data,
    });
    expect(verified).toContainEqual({
      type: "invoice.generated",
      timestamp: invoice("acme", "").time,
      sequence: "1",
      endpointSequence: expect.stringMatching(/^[12]$/),
      data: invoice("acme", "inv-signed").data,
    });
    await becomes("signed-1", "DELIVERED");
  });

  test("a receiver that fails is tried again with the same webhook-id until it succeeds", async () => {
    const service = await start();
    const target = await receiver((response, nth) => response.writeHead(nth < 3 ? 500 : 200).end());
    await createEndpoint(service, target.url);
    await world.publish(QUOTA_ALERTS, warning("acme", "retried"));
    expect(await becomes("retried", "DELIVERED")).toMatchObject({
      errors: ["the receiver answered 500", "the receiver answered 500", null],
    });
    expect(new Set(target.received.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
  });

  test("a replay immediately sends a delivery that waits for its next attempt", async () => {
    const service = await start({ random: () => 0.9 });
    const target = await receiver((response, nth) => response.writeHead(nth < 2 ? 500 : 200).end());
    await createEndpoint(service, target.url);
    await world.publish(QUOTA_ALERTS, warning("acme", "waiting"));
    const waiting = await waitFor(
      async () => {
        const delivery = await deliveryOf("waiting");
        return delivery?.errors.length === 1 ? delivery : undefined;
      },
      { what: "the first attempt to fail" },
    );
    const replay = await ask(
      service,
      adminOf("acme"),
      `mutation { replayWebhookDelivery(id: "${waiting.id}") { status } }`,
    );
    expect(replay.data.replayWebhookDelivery).toEqual({ status: "PENDING" });
    expect(await becomes("waiting", "DELIVERED")).toMatchObject({ attempt_count: 2 });
  });

  test("ten failures make a dead letter with a reason, which a replay revives", async () => {
    const service = await start();
    let isWell = false;
    const target = await receiver((response) => response.writeHead(isWell ? 200 : 503).end());
    const { id } = await createEndpoint(service, target.url);
    await world.publish(QUOTA_ALERTS, warning("acme", "hopeless"));
    const dead = await becomes("hopeless", "DEAD");
    expect(dead).toMatchObject({ attempt_count: 10, dead_reason: expect.stringContaining("answered 503") });
    isWell = true;
    const replay = await ask(service, adminOf("acme"), `mutation { replayDeadLetters(endpointId: "${id}") }`);
    expect(replay.data.replayDeadLetters).toBe(1);
    expect(await becomes("hopeless", "DELIVERED")).toMatchObject({ attempt_count: 11 });
    expect(new Set(target.received.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
  });

  test("a redirect is a failure and is not followed", async () => {
    const service = await start({ random: () => 0.99 });
    const elsewhere = await receiver(ok);
    const target = await receiver((response) => response.writeHead(301, { location: elsewhere.url }).end());
    await createEndpoint(service, target.url);
    await world.publish(QUOTA_ALERTS, warning("acme", "redirected"));
    await waitFor(async () => (await deliveryOf("redirected"))?.errors.length === 1, { what: "an attempt" });
    expect(await deliveryOf("redirected")).toMatchObject({ status: "PENDING" });
    expect(elsewhere.received).toHaveLength(0);
  });

  test("410 disables the endpoint, and everything pending for it is a dead letter", async () => {
    const service = await start({ random: () => 0.99 });
    let answer = (): void => undefined;
    const bothPending = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const target = await receiver(async (response, nth) => {
      if (nth > 1) await bothPending;
      response.writeHead(nth === 1 ? 500 : 410).end();
    });
    const { id } = await createEndpoint(service, target.url);
    await world.publish(QUOTA_ALERTS, warning("acme", "waits"));
    await waitFor(async () => (await deliveryOf("waits"))?.errors.length === 1, { what: "an attempt" });
    await world.publish(QUOTA_ALERTS, warning("acme", "gone"));
    await becomes("gone", "PENDING");
    answer();
    for (const event of ["gone", "waits"])
      expect(await becomes(event, "DEAD")).toMatchObject({ dead_reason: expect.stringContaining("410") });
    const { rows } = await database.pool.query("SELECT status, disabled_reason FROM webhook_endpoint WHERE id = $1", [
      id,
    ]);
    expect(rows).toEqual([{ status: "DISABLED", disabled_reason: expect.stringContaining("410") }]);
  });

  test("deleting an endpoint leaves its pending deliveries as dead letters", async () => {
    const service = await start({ random: () => 0.99 });
    const target = await receiver((response) => response.writeHead(500).end());
    const { id } = await createEndpoint(service, target.url);
    await world.publish(QUOTA_ALERTS, warning("acme", "orphan"));
    await waitFor(async () => (await deliveryOf("orphan"))?.errors.length === 1, { what: "an attempt" });
    await ask(service, adminOf("acme"), `mutation { deleteWebhookEndpoint(id: "${id}") }`);
    expect(await deliveryOf("orphan")).toMatchObject({ status: "DEAD", dead_reason: "the endpoint was deleted" });
  });

  test("a hanging receiver does not hold up another endpoint", async () => {
    const service = await start({ sendTimeoutMs: 5_000 });
    const hanging = await receiver(() => undefined);
    const well = await receiver(ok);
    await createEndpoint(service, hanging.url, ["quota.warning"]);
    await createEndpoint(service, well.url, ["quota.exceeded"]);
    await world.publish(QUOTA_ALERTS, warning("acme", "hangs"));
    await waitFor(() => hanging.received.length > 0, { what: "the hanging receiver to be called" });
    await world.publish(QUOTA_ALERTS, exceeded("acme", "passes"));
    await becomes("passes", "DELIVERED");
    expect(await deliveryOf("hangs")).toMatchObject({ status: "PENDING" });
  });

  test("a hanging receiver gets one delivery at a time, and others' deliveries arrive", async () => {
    // Longer than the test takes on any machine: the first delivery is still under way at its end.
    const service = await start({ sendTimeoutMs: 600_000 });
    const hanging = await receiver(() => undefined);
    const well = await receiver(ok);
    await createEndpoint(service, hanging.url, ["quota.warning"]);
    await createEndpoint(service, well.url, ["quota.exceeded"]);
    const ids = Array.from({ length: 60 }, (_, n) => `many-${n}`);
    for (const id of ids) await world.publish(QUOTA_ALERTS, warning("acme", `hangs-${id}`));
    await waitFor(() => hanging.received.length > 0, { what: "the hanging receiver to be called" });
    for (const id of ids) await world.publish(QUOTA_ALERTS, exceeded("acme", id));
    await waitFor(() => well.received.length === ids.length, { what: "all that can arrive" });
    expect(hanging.received).toHaveLength(1);
    await hanging.close();
  });

  test("a tenant whose attempts wait for the database leaves connections to others", async () => {
    const service = await start();
    const answers: (() => void)[] = [];
    const slow = await receiver((response) => void answers.push(() => ok(response)));
    const well = await receiver(ok);
    const count = 10;
    for (let n = 0; n < count; n += 1) await createEndpoint(service, slow.url);
    await createEndpoint(service, well.url, EVERYTHING, "globex");
    await world.publish(QUOTA_ALERTS, warning("acme", "stuck"));
    await waitFor(() => answers.length === count, { what: "all attempts to be under way" });
    const lock = await database.under("rebuild").begin();
    await lock.tx.query("SELECT 1 FROM webhook_delivery WHERE event_id = 'stuck' FOR UPDATE");
    for (const answer of answers) answer();
    let most = 0;
    const waiting = async () => {
      const { rows } = await database.pool.query<{ count: number }>(
        `SELECT count(*)::int AS count FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      most = Math.max(most, rows[0]?.count ?? 0);
      return most;
    };
    await waitFor(async () => (await waiting()) >= 6, { what: "attempts to wait for the lock" });
    await world.publish(QUOTA_ALERTS, warning("globex", "passes"));
    await waitFor(
      async () => {
        await waiting();
        return (await deliveryOf("passes"))?.status === "DELIVERED";
      },
      { what: "the other tenant's delivery" },
    );
    expect(most).toBe(6);
    await lock.rollback();
  });

  test("a receiver that only fails is left alone, tried by one delivery, and gets all when it is well", async () => {
    let isWell = false;
    const { id, ids } = await undisturbed(1_500, async (firstPauseMs, attempt) => {
      for (const service of services.splice(0)) await world.stopService(service);
      await database.pool.query("TRUNCATE webhook_endpoint CASCADE");
      const service = await start({ random: () => 0, firstPauseMs });
      const target = await receiver((response) => response.writeHead(isWell ? 200 : 500).end());
      const { id } = await createEndpoint(service, target.url, ["quota.warning"]);
      const ids = Array.from({ length: 12 }, (_, n) => `paused-${attempt}-${n}`);
      for (const event of ids) await world.publish(QUOTA_ALERTS, warning("acme", event));
      const paused = () =>
        database.pool
          .query<{ paused: boolean }>("SELECT paused_until > now() AS paused FROM webhook_endpoint WHERE id = $1", [id])
          .then(({ rows }) => rows[0]?.paused === true);
      await waitFor(paused, { what: "the pause" });
      expect(target.received).toHaveLength(5);
      expect((await service.readiness()).reasons).toEqual([]);
      return { id, ids };
    });
    isWell = true;
    for (const event of ids) await becomes(event, "DELIVERED");
    const { rows } = await database.pool.query(
      "SELECT failures_in_a_row, paused_until FROM webhook_endpoint WHERE id = $1",
      [id],
    );
    expect(rows).toEqual([{ failures_in_a_row: 0, paused_until: null }]);
  });

  test("a test webhook is sent at once, also while its endpoint is paused", async () => {
    const service = await start();
    const target = await receiver(ok);
    const { id } = await createEndpoint(service, target.url);
    await database.pool.query("UPDATE webhook_endpoint SET paused_until = now() + interval '1 hour' WHERE id = $1", [
      id,
    ]);
    await world.publish(QUOTA_ALERTS, warning("acme", "paused-meanwhile"));
    await waitFor(() => deliveryOf("paused-meanwhile"), { what: "the planned delivery" });
    const sent = await ask(
      service,
      adminOf("acme"),
      "mutation ($id: ID!) { sendTestWebhook(endpointId: $id) { id } }",
      {
        id,
      },
    );
    expect(sent.messages).toEqual([]);
    await waitFor(() => target.received.length === 1, { what: "the test webhook" });
    expect(JSON.parse(target.received[0]?.body ?? "").type).toBe("webhook.test");
    expect(await deliveryOf("paused-meanwhile")).toMatchObject({ status: "PENDING", attempt_count: 0 });
  });

  test("a worker that died after sending and before marking is followed by a second send with the same id", async () => {
    const service = await start({ leaseMs: 300 });
    const target = await receiver(ok);
    await createEndpoint(service, target.url);
    // What such a worker leaves behind: the receiver has it, the row is claimed and stays so.
    await world.stopService(services.splice(0)[0] ?? service);
    await world.publish(QUOTA_ALERTS, warning("acme", "sent-not-marked"));
    const second = await start({ leaseMs: 300, sweepEveryMs: HOUR_MS });
    await becomes("sent-not-marked", "DELIVERED");
    await database.pool.query(
      `UPDATE webhook_delivery SET status = 'PENDING', next_attempt_at = now() + interval '300 ms' WHERE event_id = 'sent-not-marked'`,
    );
    await database.pool.query("DELETE FROM webhook_attempt");
    await world.stopService(second);
    services.splice(0);
    await start();
    expect(await becomes("sent-not-marked", "DELIVERED")).toMatchObject({ attempt_count: 2, errors: [null] });
    expect(target.received.map(({ headers }) => headers["webhook-id"])).toEqual([
      target.received[0]?.headers["webhook-id"],
      target.received[0]?.headers["webhook-id"],
    ]);
  });

  test("two workers never send one delivery at once", async () => {
    const service = await start({ random: () => 0.99 });
    const target = await receiver((response) => response.writeHead(500).end());
    await createEndpoint(service, target.url);
    await world.publish(QUOTA_ALERTS, warning("acme", "contended"));
    await waitFor(async () => (await deliveryOf("contended"))?.errors.length === 1, { what: "an attempt" });
    const { id = "" } = (await deliveryOf("contended")) ?? {};
    await world.stopService(service);
    services.splice(0);
    await database.pool.query("UPDATE webhook_delivery SET next_attempt_at = now() WHERE id = $1", [id]);
    const claims = await Promise.all(Array.from({ length: 6 }, () => claimDelivery(database, "acme", id, 60_000)));
    expect(claims.filter((claim) => claim !== undefined)).toHaveLength(1);
  });

  test("the sweeper enqueues a lost job again", async () => {
    const service = await start();
    let isWell = false;
    const target = await receiver((response) => response.writeHead(isWell ? 200 : 429, { "retry-after": "60" }).end());
    await createEndpoint(service, target.url);
    await world.publish(QUOTA_ALERTS, warning("acme", "lost-job"));
    const { id } = await waitFor(
      async () => {
        const delivery = await deliveryOf("lost-job");
        return delivery?.errors.length === 1 ? delivery : undefined;
      },
      { what: "the first attempt" },
    );
    isWell = true;
    await waitFor(
      async () =>
        world.jobs
          .queue(DELIVER_QUEUE)
          .remove(`${id}-2`)
          .then(() => true),
      { what: "the job to go" },
    );
    await database.pool.query("UPDATE webhook_delivery SET next_attempt_at = now() WHERE id = $1", [id]);
    expect(await becomes("lost-job", "DELIVERED")).toMatchObject({ attempt_count: 2 });
  });

  test("however many jobs wait, four are fetched before the first begins", async () => {
    const queue = world.jobs.queue(DELIVER_QUEUE);
    const [bull] = world.jobs.bullQueues([DELIVER_QUEUE]);
    const { work } = world.jobs;
    let counting: Promise<number | undefined> | undefined;
    // None of them ends before all that are fetched are counted.
    world.jobs.work = (name, options, handle, onError) => {
      const counted: typeof handle = async (job) => {
        counting ??= bull?.getActiveCount();
        await counting;
        await handle(job);
      };
      return work(name, options, counted, onError);
    };
    const waiting = Array.from({ length: 40 }, (_, n) => ({ tenantId: "acme", endpointId: `e${n}` }));
    await Promise.all(waiting.map((endpoint) => queue.add(`for-${endpoint.endpointId}`, endpoint)));
    try {
      await start();
      await waitFor(async () => (await bull?.getJobCountByTypes("waiting", "active")) === 0, {
        what: "the jobs to end",
      });
    } finally {
      world.jobs.work = work;
    }
    const fetched = await counting;
    expect(fetched).toBeGreaterThan(0);
    expect(fetched).toBeLessThanOrEqual(4);
  });

  /** A delivery that is due, as another process may have left it. */
  async function leave(eventId: string, endpoint: string, attemptCount = 0): Promise<void> {
    await database.pool.query(
      `INSERT INTO webhook_delivery (tenant_id, id, endpoint_id, event_id, event_type, payload, attempt_count, next_attempt_at)
       VALUES ('acme', 'whd_' || $1, $2, $1, 'quota.warning', '{}', $3, now())`,
      [eventId, endpoint, attemptCount],
    );
  }

  test.each([
    ["deleted", "deleted_at = now()", "the endpoint was deleted"],
    ["disabled", "status = 'DISABLED'", "the endpoint is disabled"],
  ])(
    "a delivery planned while its endpoint was being %s is a dead letter, not a request",
    async (what, change, reason) => {
      const service = await start();
      const target = await receiver(ok);
      const { id } = await createEndpoint(service, target.url);
      await database.pool.query(`UPDATE webhook_endpoint SET ${change} WHERE id = $1`, [id]);
      await leave(`raced-${what}`, id);
      expect(await becomes(`raced-${what}`, "DEAD")).toMatchObject({ dead_reason: reason });
      expect(target.received).toHaveLength(0);
    },
  );

  test("a delivery whose last attempt died with its process is a dead letter with that reason", async () => {
    const service = await start();
    const target = await receiver(ok);
    const { id } = await createEndpoint(service, target.url);
    await leave("died-last", id, 10);
    expect(await becomes("died-last", "DEAD")).toMatchObject({ dead_reason: expect.stringContaining("unknown") });
  });

  test("a worker that was given up changes nothing by a failure, and its success still counts", async () => {
    const service = await start();
    const { id } = await createEndpoint(service, "http://127.0.0.1:9/");
    await world.stopService(service);
    services.splice(0);
    await leave("given-up", id);
    const first = await claimDelivery(database, "acme", "whd_given-up", -1);
    await claimDelivery(database, "acme", "whd_given-up", 60_000);
    if (first === undefined) throw new Error("the first lease must be granted");
    const result = {
      startedAt: Date.now(),
      durationMs: 1,
      responseStatus: 500,
      error: "the receiver answered 500",
      responseBody: "",
      retryAfterMs: undefined,
      isPermanent: false,
    };
    await finishAttempt(database, first, result, { kind: "dead", reason: "late", disablesEndpoint: false }, () => 0);
    expect(await deliveryOf("given-up")).toMatchObject({
      status: "PENDING",
      attempt_count: 2,
      errors: ["the receiver answered 500"],
    });
    await finishAttempt(database, first, { ...result, error: undefined }, { kind: "delivered" }, () => 0);
    expect(await deliveryOf("given-up")).toMatchObject({ status: "DELIVERED" });
  });

  test("two services on one database store an event once and deliver it once", async () => {
    const [service] = [await start(), await start()];
    const target = await receiver(ok);
    await createEndpoint(service, target.url);
    const ids = Array.from({ length: 20 }, (_, i) => `twice-${i}`);
    for (const id of ids) await world.publish(QUOTA_ALERTS, warning("acme", id));
    for (const id of ids) await becomes(id, "DELIVERED");
    expect(target.received).toHaveLength(20);
    const { rows } = await database.pool.query("SELECT count(*)::int AS n FROM notice WHERE event_id LIKE 'twice-%'");
    expect(rows).toEqual([{ n: 20 }]);
  });

  test("events published while the service is stopped are delivered when it starts", async () => {
    const service = await start();
    const target = await receiver(ok);
    await createEndpoint(service, target.url);
    await world.stopService(service);
    services.splice(0);
    await world.publish(QUOTA_ALERTS, warning("acme", "meanwhile"));
    const again = await start();
    await becomes("meanwhile", "DELIVERED");
    expect(await again.readiness()).toEqual({ ready: true, reasons: [] });
  });

  test("events that take longer together than a transaction may are taken in halves", async () => {
    const allow = await refuseLargeInserts(database.pool, "notice", 1);
    const ids = Array.from({ length: 9 }, (_, index) => `halves-${index}`);
    for (const id of ids) await world.publish(QUOTA_ALERTS, warning("acme", id));
    await start();
    await waitFor(
      async () => (await database.pool.query("SELECT 1 FROM notice WHERE event_id LIKE 'halves-%'")).rowCount === 9,
      { what: "all notices" },
    );
    await allow();
  });

  test("a record that is no event is set aside and the next one arrives", async () => {
    const service = await start();
    const target = await receiver(ok);
    await createEndpoint(service, target.url);
    await world.publish(QUOTA_ALERTS, { subject: "acme" });
    await world.publish(QUOTA_ALERTS, warning("acme", "after-poison"));
    await becomes("after-poison", "DELIVERED");
    const { rows } = await database.pool.query("SELECT topic FROM poison_record");
    expect(rows).toEqual([{ topic: "quota.alerts" }]);
  });

  test("an event of newer code stops its partition, and is neither skipped nor set aside", async () => {
    const service = await start();
    const target = await receiver(ok);
    await createEndpoint(service, target.url);
    const { rows: before } = await database.pool.query("SELECT topic FROM poison_record");
    const partition = partitionOf("acme", 2);
    const { next } = await world.log.bounds(BILLING_EVENTS, partition);
    await world.publish(BILLING_EVENTS, { ...invoice("acme", "newer"), type: "metrly.invoice.generated.v2" } as never);
    await world.publish(BILLING_EVENTS, invoice("acme", "after-newer"));
    await waitFor(() => world.log.waitingForUpgrade().length > 0, { what: "the partition to wait" });
    expect(world.log.waitingForUpgrade()).toEqual([
      expect.stringContaining(`billing.events/${partition} offset ${next}: upgrade this process`),
    ]);
    await world.publish(QUOTA_ALERTS, warning("acme", "another-topic"));
    await becomes("another-topic", "DELIVERED");
    expect((await database.pool.query("SELECT topic FROM poison_record")).rows).toEqual(before);
    await rewriteRecord(
      world.logDatabase,
      BILLING_EVENTS,
      { partition, offset: next },
      JSON.stringify(invoice("acme", "newer")),
    );
    await becomes("invoice-generated:newer", "DELIVERED");
    await becomes("invoice-generated:after-newer", "DELIVERED");
  });
});

function flat(headers: Receiver["received"][number]["headers"]): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}
