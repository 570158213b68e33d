import { type AddressInfo, createServer, type Socket } from "node:net";
import { SMTPServer } from "smtp-server";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Database } from "#platform/database/database.js";
import type { Service } from "#platform/process/service.js";
import { QUOTA_ALERTS } from "#schema/topics.js";
import { freePort, hasPostgres, waitFor } from "../../../tests/servers/servers.js";
import { adminOf, ask, exceeded, ok, openWorld, startReceiver, type World, warning } from "../world.testing.js";

const [USER, PASSWORD] = ["metrly", "s3cret"];

/** What the mail server says to a recipient; nothing: it takes the mail. */
type Refusal = { readonly responseCode: number; readonly message: string };

/** A real SMTP server that asks for a password and keeps what it takes. */
async function startMailServer(port: number, refusalOf: (to: string, nth: number) => Refusal | undefined) {
  const mails: { readonly to: readonly string[]; readonly text: string }[] = [];
  let asked = 0;
  const server = new SMTPServer({
    disabledCommands: ["STARTTLS"],
    allowInsecureAuth: true,
    onAuth({ username, password }, _session, done) {
      if (username === USER && password === PASSWORD) done(null, { user: username });
      else done(new Error("wrong password"));
    },
    onRcptTo({ address }, _session, done) {
      asked += 1;
      const refusal = refusalOf(address, asked);
      if (refusal === undefined) return done();
      done(Object.assign(new Error(refusal.message), { responseCode: refusal.responseCode }));
    },
    onData(stream, { envelope }, done) {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        mails.push({ to: envelope.rcptTo.map(({ address }) => address), text: Buffer.concat(chunks).toString() });
        done(null, "kept");
      });
    },
  });
  server.on("error", () => undefined);
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    mails,
    port: (server.server.address() as AddressInfo).port,
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

const headerOf = (text: string, name: string): string | undefined =>
  new RegExp(`^${name}: (.*(?:\r\n[ \t].*)*)`, "im").exec(text)?.[1]?.replace(/\r\n[ \t]/g, " ");

describe.skipIf(!hasPostgres)("channels for people", () => {
  let world: World;
  let database: Database;
  let port: number;
  const closers: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    port = await freePort();
    world = await openWorld("channels", {
      METRLY_SMTP_URL: `smtp://${USER}:${PASSWORD}@127.0.0.1:${port}`,
      METRLY_MAIL_FROM: "Metrly <alerts@metrly.test>",
    });
    await world.stopService(await world.start());
    database = await world.openDatabase();
  });
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
    await database.pool.query("TRUNCATE webhook_endpoint CASCADE");
  });
  afterAll(async () => {
    await database.stop();
    await world.close();
  });

  async function mailServer(refusalOf: Parameters<typeof startMailServer>[1] = () => undefined) {
    const server = await startMailServer(port, refusalOf);
    closers.push(server.close);
    return server;
  }

  async function start(): Promise<Service> {
    const service = await world.start();
    closers.push(() => world.stopService(service));
    return service;
  }

  const create = (service: Service, url: string, eventTypes = ["quota.warning", "quota.exceeded"]) =>
    ask(
      service,
      adminOf("acme"),
      "mutation ($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) { endpoint { id url } } }",
      { input: { tenantId: "acme", url, eventTypes } },
    );

  const becomes = (eventId: string, status: string) =>
    waitFor(
      async () => {
        const { rows } = await database.pool.query<{
          status: string;
          dead_reason: string | null;
          errors: (string | null)[];
        }>(
          `SELECT status, dead_reason, ARRAY(SELECT error FROM webhook_attempt a WHERE a.tenant_id = d.tenant_id
             AND a.delivery_id = d.id ORDER BY number) AS errors FROM webhook_delivery d WHERE event_id = $1`,
          [eventId],
        );
        return rows[0]?.status === status ? rows[0] : undefined;
      },
      { what: `${eventId} to be ${status}` },
    );

  test("an alert arrives as a readable mail", async () => {
    const server = await mailServer();
    const service = await start();
    const { data, messages } = await create(service, "mailto:ops@example.com");
    expect(messages).toEqual([]);
    expect(data.createWebhookEndpoint.endpoint.url).toBe("mailto:ops@example.com");
    await world.publish(QUOTA_ALERTS, warning("acme", "mailed"));
    expect(await becomes("mailed", "DELIVERED")).toMatchObject({ errors: [null] });
    const [mail] = server.mails;
    expect(mail?.to).toEqual(["ops@example.com"]);
    expect(headerOf(mail?.text ?? "", "From")).toBe("Metrly <alerts@metrly.test>");
    expect(headerOf(mail?.text ?? "", "Subject")).toMatch(
      /^acme has used [\d.]+ % of its limit of 1000 api_calls per billing period$/,
    );
    expect(headerOf(mail?.text ?? "", "Message-ID")).toMatch(/^<msg_[\w-]+@metrly>$/);
    expect(headerOf(mail?.text ?? "", "Auto-Submitted")).toBe("auto-generated");
    expect(mail?.text).toContain("Requests beyond the limit are denied.");
  });

  test("a mail server that is busy or away is tried again, and the mail keeps its id", async () => {
    const service = await start();
    await create(service, "mailto:ops@example.com");
    await world.publish(QUOTA_ALERTS, warning("acme", "later"));
    await waitFor(
      async () =>
        (await database.pool.query("SELECT 1 FROM webhook_attempt WHERE error LIKE '%ECONNREFUSED%'")).rowCount,
      { what: "an attempt while nobody listens" },
    );
    const server = await mailServer((_, nth) => (nth === 1 ? { responseCode: 451, message: "busy" } : undefined));
    const { errors } = await becomes("later", "DELIVERED");
    expect(errors.at(-2)).toMatch(/did not accept it: .*busy/);
    expect(server.mails).toHaveLength(1);
  });

  test("a silent mail server does not delay a stop", async () => {
    const silent = createServer();
    const sockets: Socket[] = [];
    silent.on("connection", (socket) => void sockets.push(socket));
    await new Promise<void>((resolve) => silent.listen(port, "127.0.0.1", resolve));
    // Whoever waited for the mail would wait until this test is given up.
    const service = await world.start({ sendTimeoutMs: 600_000 });
    await create(service, "mailto:ops@example.com");
    await world.publish(QUOTA_ALERTS, warning("acme", "silence"));
    await waitFor(() => sockets.length > 0, { what: "the connection" });
    await world.stopService(service);
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => silent.close(resolve));
    const { rows } = await database.pool.query("SELECT status FROM webhook_delivery WHERE event_id = 'silence'");
    expect(rows).toEqual([{ status: "PENDING" }]);
  });

  test("a permanently refused recipient is a dead letter with the server's message", async () => {
    await mailServer(() => ({ responseCode: 550, message: "no such mailbox" }));
    const service = await start();
    await create(service, "mailto:nobody@example.com");
    await world.publish(QUOTA_ALERTS, exceeded("acme", "refused"));
    expect(await becomes("refused", "DEAD")).toMatchObject({ dead_reason: expect.stringContaining("no such mailbox") });
  });

  test.each([
    "mailto:",
    "mailto:ops",
    "mailto:a@example.com,b@example.com",
    "mailto:ops@example.com?cc=all@example.com",
    "mailto:Ops <ops@example.com>",
    "mailto:ops@example.com%0d%0aBcc:all@example.com",
    `mailto:${"x".repeat(250)}@example.com`,
  ])("%s is refused", async (url) => {
    const { codes, messages } = await create(await start(), url);
    expect(codes).toEqual(["INVALID"]);
    expect(messages[0]).toContain("one plain address");
  });

  test("a Slack target gets Slack's format, escaped, and is checked like every other", async () => {
    const service = await start();
    const target = await startReceiver(ok);
    closers.push(target.close);
    const { data } = await create(service, `slack+${target.url}`);
    expect(data.createWebhookEndpoint.endpoint.url).toBe(`slack+${target.url}`);
    const event = exceeded("acme", "slacked");
    await world.publish(QUOTA_ALERTS, { ...event, data: { ...event.data, meter: "<calls>&co" } } as typeof event);
    await becomes("slacked", "DELIVERED");
    const body = JSON.parse(target.received[0]?.body ?? "");
    expect(body.text).toBe("acme has reached its limit of 1000 &lt;calls&gt;&amp;co per billing period");
    expect(body.blocks).toMatchObject([
      { type: "section", text: { type: "mrkdwn", text: expect.stringContaining(`*${body.text}*\n`) } },
    ]);
    const refused = await create(service, "slack+http://169.254.169.254/latest");
    expect(refused.codes).toEqual(["INVALID"]);
  });

  test("a disabled endpoint is reported to the tenant's others", async () => {
    const server = await mailServer();
    const service = await start();
    let answer = (): void => undefined;
    const bothPending = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const gone = await startReceiver((response) => void bothPending.then(() => response.writeHead(410).end()));
    closers.push(gone.close);
    await create(service, gone.url);
    await create(service, "mailto:ops@example.com", ["webhook.endpoint.disabled"]);
    for (const id of ["gone-1", "gone-2"]) {
      await world.publish(QUOTA_ALERTS, warning("acme", id));
      await becomes(id, "PENDING");
    }
    answer();
    const mail = await waitFor(() => server.mails[0], { what: "the mail" });
    expect(headerOf(mail.text, "Subject")).toBe("acme: a webhook endpoint was disabled");
    expect(mail.text).toContain("410 Gone");
    await becomes("gone-2", "DEAD");
    const { rows } = await database.pool.query("SELECT data FROM notice WHERE type = 'webhook.endpoint.disabled'");
    expect(rows).toMatchObject([
      { data: { tenantId: "acme", url: gone.url.replace("/hook", "/***"), reason: "the receiver answered 410 Gone" } },
    ]);
    expect(server.mails).toHaveLength(1);
  });
});
