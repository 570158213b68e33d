import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Database } from "#platform/database/database.js";
import type { Service } from "#platform/process/service.js";
import { AUDIT_RECORDED } from "#schema/topics.js";
import { hasPostgres, waitFor } from "../../tests/servers/servers.js";
import { adminOf, ask, ok, openWorld, startReceiver, type World } from "./world.testing.js";

/** The part of an address that is a credential. */
const SECRET = "B0XyZ-planted/T0ken";
const CREATE = `mutation ($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) { endpoint { id } } }`;

describe.skipIf(!hasPostgres)("the address of a receiver", () => {
  let world: World;
  let service: Service;
  let database: Database;
  beforeAll(async () => {
    world = await openWorld("masked");
    service = await world.start();
    database = await world.openDatabase();
  });
  afterAll(async () => {
    await database.stop();
    await world.close();
  });

  const run = (source: string, variables = {}) => ask(service, adminOf("acme"), source, variables);
  const create = async (url: string, eventType: string): Promise<string> => {
    const input = { tenantId: "acme", url, eventTypes: [eventType] };
    return (await run(CREATE, { input })).data.createWebhookEndpoint.endpoint.id;
  };

  /** Every row of every table but the one that must know addresses. */
  async function storedText(): Promise<string> {
    const { rows: tables } = await database.pool.query<{ name: string }>(
      `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
       WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND tablename <> 'webhook_endpoint'`,
    );
    const texts = await Promise.all(
      tables.map(({ name }) => database.pool.query<{ text: string }>(`SELECT t::text AS text FROM ${name} t`)),
    );
    return texts.flatMap(({ rows }) => rows.map(({ text }) => text)).join("\n");
  }

  /** The entries of the audit log that this room sent. */
  async function audited(count: number): Promise<readonly string[]> {
    const entries: string[] = [];
    const consumer = await world.log.consume({
      topic: AUDIT_RECORDED,
      group: "masked-urls",
      startAt: async () => 0,
      async onBatch({ records }) {
        entries.push(...records.map(({ value }) => value.toString()));
        return { kind: "continue" };
      },
      onError: () => undefined,
    });
    await waitFor(() => entries.length >= count, { what: `${count} entries of the audit log` });
    await consumer.stop();
    return entries;
  }

  test("is a credential: it is where it is sent to, and nowhere else", async () => {
    const gone = await startReceiver((response) => response.writeHead(410).end(`Cannot POST /hook/${SECRET}`));
    const other = await startReceiver(ok);
    const id = await create(`slack+${gone.url}/${SECRET}`, "quota.warning");
    await create(other.url, "webhook.endpoint.disabled");
    await run(`mutation { sendTestWebhook(endpointId: "${id}") { id } }`);
    await waitFor(() => other.received.length === 1, { what: "the notice to the other receiver" });
    await run(`mutation { updateWebhookEndpoint(id: "${id}", input: { url: "${gone.url}?key=${SECRET}" }) { id } }`);
    await run(`mutation { deleteWebhookEndpoint(id: "${id}") }`);

    expect(gone.received[0]?.path).toContain(SECRET);
    expect(other.received[0]?.body).toContain(`"url":"slack+http://127.0.0.1:${gone.port}/***"`);
    const audit = await audited(5);
    expect(audit.filter((entry) => entry.includes("urlChanged"))).toHaveLength(1);
    const texts = [other.received[0]?.body, ...audit, ...world.logged, await storedText()];
    expect(texts.filter((text) => /B0XyZ|T0ken/.test(text ?? ""))).toEqual([]);
    expect(world.logged.join()).toContain("a webhook endpoint was disabled");
    await Promise.all([gone.close(), other.close()]);
  });
});
