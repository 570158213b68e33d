import { spawn } from "node:child_process";
import { createServer, type Server } from "node:http";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { packageRoot } from "#platform/process/package-root.js";
import { waitFor } from "../../servers/servers.js";
import { runCli } from "../../support/cli.js";
import { ask } from "../../support/client.js";
import { graphql } from "../../support/graphql/index.js";
import { type MetrlyProcess, startMetrly } from "../../support/metrly.js";
import { atTerminal, hasTerminal } from "../../support/terminal.js";

const CREATE = graphql(
  `mutation WebhooksCreate($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) { endpoint { id } } }`,
);
const TEST = graphql(`mutation WebhooksTest($id: ID!) { sendTestWebhook(endpointId: $id) { id } }`);
const ENABLE = graphql(`
  mutation WebhooksEnable($id: ID!) { updateWebhookEndpoint(id: $id, input: { status: ENABLED }) { id } }
`);
const ENDPOINTS = graphql(`query WebhooksEndpoints($id: ID!) { tenant(id: $id) { webhookEndpoints { id url } } }`);

describe("metrly webhooks", () => {
  let metrly: MetrlyProcess;
  let admin: string;
  let receiver: Server;
  let status = 410;
  let received = 0;

  beforeAll(async () => {
    metrly = await startMetrly("embedded");
    admin = await metrly.adminToken();
    await ask(metrly.url, admin, `mutation { createTenant(input: { id: "acme", name: "Acme" }) { id } }`);
    receiver = createServer((request, response) => {
      received += 1;
      request.resume().on("end", () => response.writeHead(status).end());
    });
    await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  });
  afterAll(async () => {
    receiver?.close();
    await metrly?.dispose();
  });

  const endpoints = async () => {
    const { tenant } = await ask(metrly.url, admin, ENDPOINTS, { id: "acme" });
    return tenant.webhookEndpoints;
  };

  test("dead letters are listed with their reason and delivered by a replay", async () => {
    const address = receiver.address();
    const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}/`;
    const input = { tenantId: "acme", url, eventTypes: ["quota.warning"] };
    const { createWebhookEndpoint: made } = await ask(metrly.url, admin, CREATE, { input });
    const { sendTestWebhook: sent } = await ask(metrly.url, admin, TEST, { id: made.endpoint.id });
    const dead = await waitFor(
      async () => {
        const { out } = await runCli(metrly, ["webhooks", "dead", "--tenant", "acme", "--json"]);
        return out === "" ? undefined : out;
      },
      { what: "the dead letter" },
    );
    expect(JSON.parse(dead)).toMatchObject({
      ...{ id: sent.id, endpointId: made.endpoint.id, url, deadReason: expect.stringContaining("410") },
      attempts: [{ responseStatus: 410 }],
    });
    const listed = await runCli(metrly, ["webhooks", "dead", "--tenant", "acme"]);
    expect(listed.out).toContain("the receiver answered 410 Gone");
    expect(listed.err).toMatch(/Replay one: .*metrly.* webhooks replay ID$/m);

    status = 204;
    const before = received;
    await ask(metrly.url, admin, ENABLE, { id: made.endpoint.id });
    const replayed = await runCli(metrly, ["webhooks", "replay", "--endpoint", made.endpoint.id]);
    expect(replayed).toMatchObject({ code: 0, out: "1 replayed\n" });
    await waitFor(async () => received > before, { what: "the replay to arrive" });
    expect((await runCli(metrly, ["webhooks", "replay", sent.id])).code).toBe(0);
    await waitFor(async () => received > before + 1, { what: "one delivery's replay to arrive" });
    expect((await runCli(metrly, ["webhooks", "dead", "--tenant", "acme"])).err).toBe("No dead letters of acme.\n");
  });

  test("invalid arguments are refused in one sentence", async () => {
    expect(await runCli(metrly, ["webhooks", "replay"])).toMatchObject({ code: 1, out: "" });
    expect(await runCli(metrly, ["webhooks", "dead", "--tenant", "acme", "--platform"])).toMatchObject({ out: "" });
    expect(await runCli(metrly, ["webhooks", "dead", "--tenant", "nobody"])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^NOT_FOUND: There is no tenant nobody. List them: .*metrly.* tenants list\n$/),
    });
  });

  test("listen shows deliveries, detects a forgery, and deletes its endpoint at the end", async () => {
    const known = (await endpoints()).map(({ id }) => id);
    const command = path.join(packageRoot(), "dist/cli/metrly.js");
    const env = { PATH: process.env.PATH, METRLY_URL: metrly.url, METRLY_TOKEN: admin };
    const child = spawn(process.execPath, [command, "webhooks", "listen", "--tenant", "acme", "--json"], { env });
    let out = "";
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk.toString("utf8");
    });
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    const lines = (count: number) =>
      waitFor(
        async () => {
          const found = out.split("\n").slice(0, -1);
          return found.length >= count ? found.map((line): unknown => JSON.parse(line)) : undefined;
        },
        { what: `${count} deliveries to be shown` },
      );
    const own = await waitFor(async () => (await endpoints()).find(({ id }) => !known.includes(id)), {
      what: "its endpoint",
    });
    await ask(metrly.url, admin, TEST, { id: own.id });
    expect((await lines(1))[0]).toMatchObject({ verified: true, body: expect.stringContaining('"type"') });
    expect((await fetch(own.url, { method: "POST", body: "{}" })).status).toBe(401);
    expect((await lines(2))[1]).toMatchObject({ verified: false, body: "{}" });
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
    expect((await endpoints()).map(({ id }) => id)).toEqual(known);
  });

  test.skipIf(!hasTerminal)("listen ends with its terminal, and deletes its endpoint then, too", async () => {
    const known = (await endpoints()).map(({ id }) => id);
    const session = atTerminal(metrly, ["webhooks", "listen", "--tenant", "acme"], { columns: 80, rows: 24 });
    await session.shows("Listening on");
    const own = (await endpoints()).find(({ id }) => !known.includes(id));
    expect(own).toBeDefined();
    session.stop();
    const isDeleted = async () => (await endpoints()).every(({ id }) => known.includes(id));
    await waitFor(isDeleted, { what: "the endpoint to be deleted" });
    const isOver = () =>
      fetch(own?.url ?? "").then(
        () => false,
        () => true,
      );
    await waitFor(isOver, { what: "the receiver to end" });
  });
});
