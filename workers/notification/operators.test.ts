import { Webhook } from "standardwebhooks";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Database } from "#platform/database/database.js";
import type { Service } from "#platform/process/service.js";
import { usageUnmeteredV1 } from "#schema/events/usage-unmetered.v1.js";
import { usageUnpricedV1 } from "#schema/events/usage-unpriced.v1.js";
import type { Identity } from "#schema/policy.js";
import { AUDIT_RECORDED, BILLING_EVENTS, QUOTA_ALERTS } from "#schema/topics.js";
import { hasPostgres, waitFor } from "../../tests/servers/servers.js";
import {
  admin,
  adminOf,
  ask,
  ok,
  openWorld,
  type ReceivedWebhook,
  startReceiver,
  viewerOf,
  type World,
  warning,
} from "./world.testing.js";

const CREATE = `mutation ($input: CreateWebhookEndpointInput!) {
  createWebhookEndpoint(input: $input) { secret endpoint { id url eventTypes status } } }`;
const LIST = `{ platformWebhookEndpoints { id url status eventTypes
  deliveries { nodes { id eventId eventType status endpointSequence payload } } } }`;
const UNBILLED = ["usage.unmetered", "usage.unpriced"];

const unmetered = (tenantId: string, eventType: string) => ({
  ...usageUnmeteredV1.example,
  id: `usage-unmetered:${tenantId}:${eventType}`,
  subject: tenantId,
  data: { ...usageUnmeteredV1.example.data, tenantId, eventType },
});
const unpriced = (tenantId: string) => ({
  ...usageUnpricedV1.example,
  id: `usage-unpriced:${tenantId}`,
  subject: tenantId,
  data: { ...usageUnpricedV1.example.data, tenantId },
});
const bodyOf = ({ body }: ReceivedWebhook) => JSON.parse(body);

describe.skipIf(!hasPostgres)("operators' endpoints", () => {
  let world: World;
  let service: Service;
  let database: Database;
  const receivers: Awaited<ReturnType<typeof startReceiver>>[] = [];
  beforeAll(async () => {
    world = await openWorld("operators");
    service = await world.start();
    database = await world.openDatabase();
  });
  afterEach(async () => {
    const idle = async () =>
      database.pool
        .query("TRUNCATE webhook_endpoint, notice, tenant_stream, notice_sequence, endpoint_sequence CASCADE")
        .then(() => true);
    await waitFor(idle, { what: "the service's transactions to end" });
    for (const receiver of receivers.splice(0)) await receiver.close();
  });
  afterAll(async () => {
    await database.stop();
    await world.close();
  });

  async function receiver(...args: Parameters<typeof startReceiver>) {
    const started = await startReceiver(...args);
    receivers.push(started);
    return started;
  }

  const create = (input: object, identity: Identity = admin) => ask(service, identity, CREATE, { input });
  async function endpointFor(url: string, eventTypes: readonly string[] = []): Promise<{ id: string; secret: string }> {
    const { data, messages } = await create({ platform: true, url, eventTypes });
    if (messages.length > 0) throw new Error(messages.join("; "));
    return { id: data.createWebhookEndpoint.endpoint.id, secret: data.createWebhookEndpoint.secret };
  }
  const list = async () => (await ask(service, admin, LIST)).data.platformWebhookEndpoints;

  test("an operator hears unbilled usage, and what it asks for, of all tenants, numbered and with the tenants' webhook-ids", async () => {
    const [ops, acme] = [await receiver(ok), await receiver(ok)];
    const { id, secret } = await endpointFor(ops.url, ["quota.warning"]);
    await create({ tenantId: "acme", url: acme.url, eventTypes: ["quota.warning"] });
    await world.publish(QUOTA_ALERTS, warning("acme", "w-acme"));
    await world.publish(QUOTA_ALERTS, warning("globex", "w-globex"));
    for (const tenant of ["acme", "globex"]) {
      await world.publish(BILLING_EVENTS, unmetered(tenant, "api.requst"));
      await world.publish(BILLING_EVENTS, unmetered(tenant, "api.requst"));
      await world.publish(BILLING_EVENTS, unpriced(tenant));
    }
    await waitFor(() => ops.received.length === 6, { what: "six webhooks" });
    for (const { body, headers } of ops.received)
      expect(new Webhook(secret).verify(body, headers as Record<string, string>)).toBeTruthy();
    const told = ops.received.map(bodyOf).map(({ type, sequence, data }) => `${data.tenantId} ${type} ${sequence}`);
    expect(told.sort()).toEqual(
      ["acme", "globex"].flatMap((tenant) => [
        `${tenant} quota.warning 1`,
        `${tenant} usage.unmetered 1`,
        `${tenant} usage.unpriced 1`,
      ]),
    );
    const places = ops.received.map(bodyOf).map(({ endpointSequence }) => Number(endpointSequence));
    expect(places.sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6]);
    await waitFor(() => acme.received.length === 1, { what: "the tenant's own" });
    const same = ops.received.find(
      (one) => bodyOf(one).data.tenantId === "acme" && bodyOf(one).type === "quota.warning",
    );
    expect(same?.headers["webhook-id"]).toBe(acme.received[0]?.headers["webhook-id"]);
    const [listed] = await list();
    expect(listed).toMatchObject({ id, eventTypes: ["quota.warning", ...UNBILLED] });
    expect(listed.deliveries.nodes).toHaveLength(6);
  });

  test("only platform admins have them; for a tenant they do not exist", async () => {
    const target = await receiver(ok);
    const input = { platform: true, url: target.url, eventTypes: ["invoice.generated"] };
    const viewer = { ...viewerOf("acme"), tenantId: null };
    const tenantRole = { ...adminOf("acme"), tenantId: null };
    for (const identity of [viewer, tenantRole, adminOf("acme")])
      expect((await create(input, identity)).codes).toEqual(["FORBIDDEN"]);
    for (const identity of [viewer, tenantRole, adminOf("acme")])
      expect((await ask(service, identity, LIST)).codes).toEqual(["FORBIDDEN"]);
    const { id } = await endpointFor(target.url);
    await ask(service, admin, `mutation { sendTestWebhook(endpointId: "${id}") { id } }`);
    const [{ deliveries }] = await list();
    const mutations = [
      `mutation { updateWebhookEndpoint(id: "${id}", input: { status: DISABLED }) { id } }`,
      `mutation { deleteWebhookEndpoint(id: "${id}") }`,
      `mutation { rotateWebhookSecret(id: "${id}") { secret } }`,
      `mutation { sendTestWebhook(endpointId: "${id}") { id } }`,
      `mutation { replayDeadLetters(endpointId: "${id}") }`,
      `mutation { replayWebhookDelivery(id: "${deliveries.nodes[0].id}") { id } }`,
    ];
    for (const mutation of mutations) {
      expect((await ask(service, adminOf("acme"), mutation)).codes).toEqual(["NOT_FOUND"]);
      expect((await ask(service, tenantRole, mutation)).codes).toEqual(["FORBIDDEN"]);
    }
    const { data } = await ask(
      service,
      adminOf("acme"),
      '{ _entities(representations: [{ __typename: "Tenant", id: "acme" }]) { ... on Tenant { webhookEndpoints { id } } } }',
    );
    expect(data._entities[0].webhookEndpoints).toEqual([]);
  });

  test.each([
    ["neither a tenant nor the platform", {}],
    ["both", { platform: true, tenantId: "acme" }],
    ["the platform and an empty tenant", { platform: true, tenantId: "" }],
    ["an unknown event type", { platform: true, eventTypes: ["usage.free"] }],
    ["a tenant that asks for unbilled usage", { tenantId: "acme", eventTypes: ["usage.unmetered"] }],
    ["a private target", { platform: true, url: "http://169.254.169.254/latest" }],
  ])("%s is refused", async (_, more) => {
    const input = { url: "https://metrly.invalid/hook", eventTypes: ["quota.warning"], ...more };
    expect((await create(input)).codes).toEqual(["INVALID"]);
  });

  test("there are at most 10, also when they are created at once", async () => {
    const input = { platform: true, url: "https://metrly.invalid/hook", eventTypes: [] };
    const answers = await Promise.all(Array.from({ length: 12 }, () => create(input)));
    expect(answers.flatMap(({ codes }) => codes)).toEqual(["CONFLICT", "CONFLICT"]);
    expect(await list()).toHaveLength(10);
  });

  test("one that is gone becomes disabled, tells the other ones and no tenant, and its dead letters can be sent again", async () => {
    let isGone = true;
    const [broken, other, tenants] = [
      await receiver((response) => response.writeHead(isGone ? 410 : 200).end()),
      await receiver(ok),
      await receiver(ok),
    ];
    const { id } = await endpointFor(`slack+${broken.url}/S3cret`);
    await endpointFor(other.url, ["webhook.endpoint.disabled"]);
    await create({ tenantId: "acme", url: tenants.url, eventTypes: ["webhook.endpoint.disabled"] });
    await world.publish(BILLING_EVENTS, unmetered("acme", "typo"));
    const disabled = () => other.received.map(bodyOf).find(({ type }) => type === "webhook.endpoint.disabled");
    await waitFor(() => disabled() !== undefined, { what: "the other operator's notice" });
    expect(disabled()).toMatchObject({
      data: { tenantId: null, endpointId: id, url: `slack+http://127.0.0.1:${broken.port}/***`, deadLetters: 1 },
    });
    expect(broken.received.map(bodyOf)).toEqual([expect.objectContaining({ text: expect.stringContaining("typo") })]);
    isGone = false;
    await ask(service, admin, `mutation { updateWebhookEndpoint(id: "${id}", input: { status: ENABLED }) { id } }`);
    const replayed = await ask(service, admin, `mutation { replayDeadLetters(endpointId: "${id}") }`);
    expect(replayed.data.replayDeadLetters).toBe(1);
    await waitFor(() => broken.received.length === 2, { what: "the replay" });
    expect(tenants.received).toEqual([]);
  });

  test("its changes are in the audit log of the platform, of no tenant", async () => {
    const { id } = await endpointFor("https://metrly.invalid/S3cret");
    const run = (mutation: string) => ask(service, admin, `mutation { ${mutation} }`);
    await run(`rotateWebhookSecret(id: "${id}") { secret }`);
    const updated = await run(`updateWebhookEndpoint(id: "${id}", input: { eventTypes: [] }) { eventTypes }`);
    expect(updated.data.updateWebhookEndpoint.eventTypes).toEqual(UNBILLED);
    await run(`deleteWebhookEndpoint(id: "${id}")`);
    expect(await list()).toEqual([]);
    const entries: { action: string; target: string; tenantId: string | null }[] = [];
    const consumer = await world.log.consume({
      topic: AUDIT_RECORDED,
      group: "operators",
      startAt: async () => 0,
      async onBatch({ records }) {
        entries.push(...records.map(({ value }) => JSON.parse(value.toString())));
        return { kind: "continue" };
      },
      onError: () => undefined,
    });
    const mine = () => entries.filter(({ target }) => target === `webhookEndpoint:${id}`);
    await waitFor(() => mine().length === 4, { what: "four entries" });
    await consumer.stop();
    expect(mine().map(({ action, tenantId }) => [action, tenantId])).toEqual(
      ["create", "rotateSecret", "update", "delete"].map((verb) => [`webhookEndpoint.${verb}`, null]),
    );
    expect(JSON.stringify(mine())).not.toContain("S3cret");
  });
});
