import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "#platform/database/database.js";
import type { Service } from "#platform/process/service.js";
import type { Identity } from "#schema/policy.js";
import { BILLING_EVENTS, QUOTA_ALERTS } from "#schema/topics.js";
import { hasPostgres, waitFor } from "../../../tests/servers/servers.js";
import { createEndpointStore } from "../store/endpoints.js";
import {
  admin,
  adminOf,
  ask,
  exceeded,
  invoice,
  live,
  ok,
  openWorld,
  startReceiver,
  tenantState,
  viewerOf,
  type World,
  warning,
} from "../world.testing.js";

const CREATE = `mutation ($input: CreateWebhookEndpointInput!) {
  createWebhookEndpoint(input: $input) { secret endpoint { id url eventTypes status } } }`;
const TENANT = `query ($id: ID!, $first: Int = 50, $after: Cursor) {
  _entities(representations: [{ __typename: "Tenant", id: $id }]) { ... on Tenant {
    id alerts(first: $first, after: $after) { nodes { id cursor kind tenantId meter window used at tenant { id } } pageInfo { hasNextPage endCursor } } } } }`;
const ENDPOINTS = `query ($id: ID!, $first: Int = 50, $after: Cursor, $status: WebhookDeliveryStatus) {
  _entities(representations: [{ __typename: "Tenant", id: $id }]) { ... on Tenant { webhookEndpoints { id url status
    deliveries(first: $first, after: $after, status: $status) {
      nodes { id eventId eventType status deadReason nextAttemptAt payload attempts { at durationMs responseStatus error responseBody } }
      pageInfo { hasNextPage endCursor } } } } } }`;

describe.skipIf(!hasPostgres)("notification's part of the graph", () => {
  let world: World;
  let service: Service;
  let database: Database;
  let target: Awaited<ReturnType<typeof startReceiver>>;
  beforeAll(async () => {
    world = await openWorld("graph");
    service = await world.start();
    database = await world.openDatabase();
    target = await startReceiver(ok);
  });
  beforeEach(async () => {
    // The service still finishes deliveries of the test before; TRUNCATE may have to yield to it.
    await waitFor(
      () =>
        database.pool
          .query("TRUNCATE webhook_endpoint, notice, tenant_stream, notice_sequence, immediate_send CASCADE")
          .then(() => true),
      { what: "the service's transactions to end" },
    );
  });
  afterAll(async () => {
    await target.close();
    await database.stop();
    await world.close();
  });

  async function create(identity: Identity = adminOf("acme"), more = {}) {
    const input = { tenantId: "acme", url: target.url, eventTypes: ["quota.warning"], ...more };
    return ask(service, identity, CREATE, { input });
  }
  const endpointId = async () => String((await create()).data.createWebhookEndpoint.endpoint.id);
  const endpointsOf = async (identity: Identity, id: string, more = {}) =>
    ask(service, identity, ENDPOINTS, { id, ...more });

  async function stored(count: number): Promise<void> {
    await waitFor(async () => (await database.pool.query("SELECT 1 FROM notice")).rowCount === count, {
      what: `${count} notices`,
    });
  }

  test("an endpoint shows its secret once and is listed", async () => {
    const { data } = await create();
    expect(data.createWebhookEndpoint).toMatchObject({
      secret: expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=$/),
      endpoint: { url: target.url, eventTypes: ["quota.warning"], status: "ENABLED" },
    });
    const listed = await endpointsOf(adminOf("acme"), "acme");
    expect(listed.data._entities[0].webhookEndpoints).toHaveLength(1);
  });

  test.each([
    ["an unknown event type", { eventTypes: ["quota.warning", "quota.doom"] }, "INVALID"],
    ["no event type", { eventTypes: [] }, "INVALID"],
    ["the test type", { eventTypes: ["webhook.test"] }, "INVALID"],
    ["a private target", { url: "http://169.254.169.254/latest" }, "INVALID"],
    ["Metrly's own port", { url: "http://127.0.0.1:4000/graphql" }, "INVALID"],
    ["Metrly's own metrics", { url: "http://[::1]:9464/metrics" }, "INVALID"],
    ["no URL", { url: "hook" }, "INVALID"],
    ["another tenant", { tenantId: "globex" }, "NOT_FOUND"],
  ])("%s is refused", async (_, more, code) => {
    expect(await create(adminOf("acme"), more)).toMatchObject({ codes: [code] });
  });

  test("a platform admin gets NOT_FOUND for a missing tenant, and reaches one just created", async () => {
    expect(await create(admin, { tenantId: "nobody" })).toMatchObject({ codes: ["NOT_FOUND"] });
    world.tenancy.reads.caughtUp = async () => world.tenancy.apply({ ...tenantState("newborn"), version: 2 });
    expect(await create(admin, { tenantId: "newborn" })).toMatchObject({ codes: [] });
  });

  test("the database's own port is never a target", async () => {
    const port = new URL(database.url).port;
    expect(await create(adminOf("acme"), { url: `http://127.0.0.1:${port}/` })).toMatchObject({ codes: ["INVALID"] });
  });

  test("a viewer may not touch webhooks, and another tenant's do not exist", async () => {
    const id = await endpointId();
    const mutations = [
      `mutation { updateWebhookEndpoint(id: "${id}", input: { status: DISABLED }) { id } }`,
      `mutation { deleteWebhookEndpoint(id: "${id}") }`,
      `mutation { rotateWebhookSecret(id: "${id}") { secret } }`,
      `mutation { sendTestWebhook(endpointId: "${id}") { id } }`,
      `mutation { replayDeadLetters(endpointId: "${id}") }`,
    ];
    for (const mutation of mutations) {
      expect(await ask(service, viewerOf("acme"), mutation)).toMatchObject({ codes: ["FORBIDDEN"] });
      expect(await ask(service, adminOf("globex"), mutation)).toMatchObject({ codes: ["NOT_FOUND"] });
    }
    expect(await endpointsOf(viewerOf("acme"), "acme")).toMatchObject({ codes: ["FORBIDDEN"] });
    expect((await endpointsOf(adminOf("globex"), "acme")).data._entities).toEqual([null]);
    expect((await endpointsOf(adminOf("acme"), "acme")).data._entities[0].webhookEndpoints).toMatchObject([
      { id, status: "ENABLED" },
    ]);
  });

  test("a tenant has at most 50 endpoints, also when they are created at once", async () => {
    const answers = await Promise.all(Array.from({ length: 54 }, () => create()));
    expect(answers.filter(({ codes }) => codes.length === 0)).toHaveLength(50);
    expect(answers.flatMap(({ codes }) => codes)).toEqual(["CONFLICT", "CONFLICT", "CONFLICT", "CONFLICT"]);
  });

  test("endpoints of tenants are not read when they are too large together", async () => {
    const ids = Array.from({ length: 200 }, (_, n) => `t${n}`);
    const url = "https://hooks.example.com/".padEnd(2_048, "x");
    const fill = (each: number) =>
      database.pool.query(
        `INSERT INTO webhook_endpoint (tenant_id, id, url, event_types)
         SELECT t, t || n, $2, '{quota.warning}' FROM unnest($1::text[]) AS t, generate_series(1, $3::int) AS n`,
        [ids, url, each],
      );
    const references = ids.map((id) => `{ __typename: "Tenant", id: "${id}" }`).join(" ");
    const listed = () =>
      ask(
        service,
        admin,
        `{ _entities(representations: [${references}]) { ... on Tenant { webhookEndpoints { id } } } }`,
      );
    await fill(1);
    expect(await listed()).toMatchObject({ codes: [] });
    await database.pool.query("TRUNCATE webhook_endpoint CASCADE");
    await fill(50);
    expect(new Set((await listed()).codes)).toEqual(new Set(["TOO_LARGE"]));
  });

  test("a test webhook is delivered and shows in the delivery log", async () => {
    const id = await endpointId();
    const sent = await ask(
      service,
      adminOf("acme"),
      `mutation { sendTestWebhook(endpointId: "${id}") { id status eventType } }`,
    );
    expect(sent.data.sendTestWebhook).toMatchObject({ status: "PENDING", eventType: "webhook.test" });
    const delivery = await waitFor(
      async () =>
        (await endpointsOf(adminOf("acme"), "acme", { status: "DELIVERED" })).data._entities[0].webhookEndpoints[0]
          .deliveries.nodes[0],
      { what: "the delivery" },
    );
    expect(delivery).toMatchObject({
      id: sent.data.sendTestWebhook.id,
      nextAttemptAt: null,
      deadReason: null,
      payload: { type: "webhook.test", data: { tenantId: "acme", endpointId: id } },
      attempts: [{ responseStatus: 200, error: null, responseBody: "thanks" }],
    });
    const replayed = await ask(
      service,
      adminOf("acme"),
      `mutation { replayWebhookDelivery(id: "${delivery.id}") { status } }`,
    );
    expect(replayed.data.replayWebhookDelivery).toEqual({ status: "PENDING" });
    expect(
      await ask(service, adminOf("globex"), `mutation { replayWebhookDelivery(id: "${delivery.id}") { id } }`),
    ).toMatchObject({
      codes: ["NOT_FOUND"],
    });
  });

  test("a tenant's tests are bounded, by all processes together, and another tenant's are not affected", async () => {
    const [mine, theirs] = [await create(), await create(adminOf("globex"), { tenantId: "globex" })];
    const endpointOf = ({ data }: typeof mine, tenantId: string) => ({
      ...data.createWebhookEndpoint.endpoint,
      tenantId,
    });
    const elsewhere = createEndpointStore(database);
    const sendTest = (id: string, who: Identity) =>
      ask(service, who, `mutation { sendTestWebhook(endpointId: "${id}") { id } }`);
    let refused: unknown;
    for (let sent = 0; refused === undefined && sent < 100; sent += 1)
      await elsewhere.planTest(endpointOf(mine, "acme"), 0).catch((error: unknown) => {
        refused = error;
      });
    expect(refused).toMatchObject({ code: "RATE_LIMITED", extensions: { retryAfterSeconds: expect.any(Number) } });
    await database.pool.query(
      "UPDATE immediate_send SET spent_until = now() + interval '1 hour' WHERE tenant_id = 'acme'",
    );
    expect(await sendTest(endpointOf(mine, "acme").id, adminOf("acme"))).toMatchObject({ codes: ["RATE_LIMITED"] });
    expect(await sendTest(endpointOf(theirs, "globex").id, adminOf("globex"))).toMatchObject({ codes: [] });
    await database.pool.query("UPDATE immediate_send SET kind = 'replay'");
    const replay = `mutation { replayDeadLetters(endpointId: "${endpointOf(mine, "acme").id}") }`;
    expect(await ask(service, adminOf("acme"), replay)).toMatchObject({ codes: ["RATE_LIMITED"] });
  });

  test("the delivery log is paged, newest first", async () => {
    const id = await endpointId();
    const sent: string[] = [];
    for (let i = 0; i < 5; i++) {
      const { data } = await ask(service, adminOf("acme"), `mutation { sendTestWebhook(endpointId: "${id}") { id } }`);
      sent.unshift(data.sendTestWebhook.id);
    }
    const seen: string[] = [];
    let after: string | undefined;
    for (const size of [2, 2, 1]) {
      const { data } = await endpointsOf(adminOf("acme"), "acme", { first: 2, after });
      const { nodes, pageInfo } = data._entities[0].webhookEndpoints[0].deliveries;
      expect(nodes).toHaveLength(size);
      expect(pageInfo.hasNextPage).toBe(size === 2);
      seen.push(...nodes.map((node: { id: string }) => node.id));
      after = pageInfo.endCursor;
    }
    expect(seen).toEqual(sent);
    const told: number[] = [];
    const page = { endpoint: { id, tenantId: "acme" }, after: undefined, status: undefined, limit: 5 };
    const endpoints = createEndpointStore(database);
    await waitFor(
      async () =>
        (await endpoints.deliveriesOf([page], () => undefined))[0]?.every(({ attempts }) => attempts.length > 0),
      { what: "an attempt of each, so that the log stays as it is" },
    );
    const [deliveries] = await endpoints.deliveriesOf([page], (bytes) => told.push(bytes));
    const bytesOf = (texts: readonly (string | null)[]) =>
      texts.reduce((sum, text) => sum + Buffer.byteLength(text ?? ""), 0);
    const read = deliveries?.flatMap(({ payload, attempts }) => [payload, ...attempts.map((a) => a.responseBody)]);
    expect(told).toEqual([bytesOf(read ?? [])]);
    expect(await endpointsOf(adminOf("acme"), "acme", { first: 201 })).toMatchObject({ codes: ["INVALID"] });
    expect(await endpointsOf(adminOf("acme"), "acme", { after: "x" })).toMatchObject({ codes: ["INVALID"] });
  });

  test("a rotated secret is new, and the old one is signed with until its grace ends", async () => {
    const { data } = await create();
    const { secret, endpoint } = data.createWebhookEndpoint;
    const signatures = async () => {
      const before = target.received.length;
      await ask(service, adminOf("acme"), `mutation { sendTestWebhook(endpointId: "${endpoint.id}") { id } }`);
      await waitFor(() => target.received.length > before, { what: "the webhook" });
      return String(target.received.at(-1)?.headers["webhook-signature"]).split(" ").length;
    };
    const rotate = (grace: number) =>
      ask(
        service,
        adminOf("acme"),
        `mutation { rotateWebhookSecret(id: "${endpoint.id}", graceSeconds: ${grace}) { secret } }`,
      );
    expect((await rotate(3600)).data.rotateWebhookSecret.secret).not.toBe(secret);
    expect(await signatures()).toBe(2);
    await rotate(0);
    expect(await signatures()).toBe(1);
    expect(await rotate(-1)).toMatchObject({ codes: ["INVALID"] });
  });

  test("an endpoint is changed, disabled and enabled; a disabled one takes no test", async () => {
    const id = await endpointId();
    const update = (input: string) =>
      ask(
        service,
        adminOf("acme"),
        `mutation { updateWebhookEndpoint(id: "${id}", input: ${input}) { eventTypes status disabledReason } }`,
      );
    expect(
      (await update(`{ eventTypes: ["invoice.generated"], status: DISABLED }`)).data.updateWebhookEndpoint,
    ).toEqual({
      eventTypes: ["invoice.generated"],
      status: "DISABLED",
      disabledReason: "disabled by an operator",
    });
    expect(
      await ask(service, adminOf("acme"), `mutation { sendTestWebhook(endpointId: "${id}") { id } }`),
    ).toMatchObject({
      codes: ["CONFLICT"],
    });
    expect((await update("{ status: ENABLED }")).data.updateWebhookEndpoint).toMatchObject({
      status: "ENABLED",
      disabledReason: null,
    });
    expect(await update(`{ url: "http://10.0.0.1/" }`)).toMatchObject({ codes: ["INVALID"] });
  });

  test("alerts are paged in the order they happened, and their cursors are those of the subscription", async () => {
    for (const id of ["a1", "a2", "a3"]) await world.publish(QUOTA_ALERTS, warning("acme", id));
    await stored(3);
    const page = (await ask(service, viewerOf("acme"), TENANT, { id: "acme", first: 2 })).data._entities[0].alerts;
    expect(page.nodes.map((node: { id: string }) => node.id)).toEqual(["a1", "a2"]);
    expect(page.nodes[0]).toMatchObject({ kind: "WARNING", tenantId: "acme", tenant: { id: "acme" }, used: "800" });
    expect(page.pageInfo).toEqual({ hasNextPage: true, endCursor: page.nodes[1].cursor });
    const alerts = await live(
      service,
      viewerOf("acme"),
      `subscription ($after: Cursor) { quotaAlerts(tenantId: "acme", after: $after) { id } }`,
      {
        after: page.pageInfo.endCursor,
      },
    );
    expect(await alerts.next()).toEqual({ quotaAlerts: { id: "a3" } });
    await alerts.stop();
  });

  test("a subscription replays, then goes live, with its own tenant's alerts only", async () => {
    await world.publish(QUOTA_ALERTS, warning("acme", "old"));
    await stored(1);
    const start = (await ask(service, viewerOf("acme"), TENANT, { id: "acme" })).data._entities[0].alerts.nodes[0]
      .cursor;
    await world.publish(QUOTA_ALERTS, warning("acme", "replayed"));
    await stored(2);
    const alerts = await live(
      service,
      viewerOf("acme"),
      `subscription ($t: ID!, $after: Cursor) {
      quotaAlerts(tenantId: $t, after: $after) { id kind tenantId tenant { id } } }`,
      { t: "acme", after: start },
    );
    await world.publish(QUOTA_ALERTS, warning("globex", "foreign"));
    await world.publish(QUOTA_ALERTS, exceeded("acme", "live"));
    const seen = [await alerts.next(), await alerts.next()].map(({ quotaAlerts }) => quotaAlerts);
    expect(seen).toMatchObject([
      { id: "replayed", kind: "WARNING", tenantId: "acme", tenant: { id: "acme" } },
      { id: "live", kind: "EXCEEDED", tenantId: "acme" },
    ]);
    await alerts.stop();
  });

  test("invoiceGenerated names the invoice that billing completes", async () => {
    const invoices = await live(
      service,
      viewerOf("acme"),
      `subscription { invoiceGenerated(tenantId: "acme") { cursor invoice { id } } }`,
    );
    await world.publish(QUOTA_ALERTS, warning("acme", "not-an-invoice"));
    await world.publish(BILLING_EVENTS, invoice("acme", "inv-7"));
    expect((await invoices.next()).invoiceGenerated).toMatchObject({ invoice: { id: "inv-7" } });
    await invoices.stop();
  });

  test.each(["quotaAlerts", "invoiceGenerated"])(
    "%s of another tenant does not exist, and a bad cursor is refused",
    async (field) => {
      const source = (tenantId: string, after = "") =>
        `subscription { ${field}(tenantId: "${tenantId}"${after}) { cursor } }`;
      await expect(live(service, viewerOf("globex"), source("acme"))).rejects.toThrow("NOT_FOUND");
      await expect(live(service, { ...viewerOf("acme"), roles: [] }, source("acme"))).rejects.toThrow("FORBIDDEN");
      await expect(live(service, viewerOf("acme"), source("acme", `, after: "nonsense"`))).rejects.toThrow("INVALID");
    },
  );

  test("the SDL fits federation", () => {
    expect(service.subgraph?.sdl).toContain("type PageInfo @shareable");
    expect(service.subgraph?.sdl).toContain('type Tenant @key(fields: "id")');
    expect(service.subgraph?.sdl).toContain('type Invoice @key(fields: "id", resolvable: false)');
  });
});
