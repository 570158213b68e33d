import { Webhook } from "standardwebhooks";
import { afterEach, expect, test } from "vitest";
import { waitFor } from "../../../tests/servers/servers.js";
import { unlessStopped } from "../../../tests/support/unless-stopped.js";
import { webhookPayload } from "../rules/notice.js";
import { ok, startReceiver } from "../world.testing.js";
import { createNameResolver } from "./resolver.js";
import { type SendOptions, sendWebhook } from "./send.js";
import { newWebhookSecret, signatureHeaders, webhookId } from "./signing.js";
import { parseAllowedHosts } from "./ssrf.js";

const policy = { allowLoopback: true, allowHosts: parseAllowedHosts([]), ownPorts: [] };
const secret = newWebhookSecret();
const body = webhookPayload(
  { type: "quota.warning", time: "2026-11-24T06:23:28.000Z", data: { tenantId: "acme", used: "800" }, sequence: 4 },
  9,
);

const again = unlessStopped();
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function receiver(...args: Parameters<typeof startReceiver>) {
  const started = await startReceiver(...args);
  closers.push(started.close);
  return started;
}

const send = (url: string, more: Partial<SendOptions> = {}) =>
  sendWebhook({
    url,
    headers: signatureHeaders([secret], webhookId("acme", "event-1"), Date.now(), body),
    body,
    policy,
    resolve: createNameResolver()("acme"),
    ...more,
  });

test("a 200 is success, and the signature verifies with the standardwebhooks library", async () => {
  const { url, received } = await receiver(ok);
  expect(await send(url)).toMatchObject({ responseStatus: 200, error: undefined, responseBody: "thanks" });
  const [got] = received;
  const headers = Object.fromEntries(Object.entries(got?.headers ?? {}).map(([name, value]) => [name, String(value)]));
  expect(new Webhook(secret).verify(got?.body ?? "", headers)).toEqual({
    type: "quota.warning",
    timestamp: "2026-11-24T06:23:28.000Z",
    sequence: "4",
    endpointSequence: "9",
    data: { tenantId: "acme", used: "800" },
  });
  expect(headers["content-type"]).toBe("application/json");
  expect(() => new Webhook(newWebhookSecret()).verify(got?.body ?? "", headers)).toThrow();
});

test("while a rotation lasts, both secrets verify", () => {
  const next = newWebhookSecret();
  const headers = signatureHeaders([next, secret], "msg_1", Date.now(), body);
  for (const one of [next, secret]) expect(new Webhook(one).verify(body, { ...headers })).toBeTruthy();
});

test.each([
  [500, {}, "answered 500"],
  [404, {}, "answered 404"],
  [410, {}, "answered 410"],
  [301, { location: "http://127.0.0.1:1/" }, "redirects are not followed"],
  [307, { location: "http://127.0.0.1:1/" }, "redirects are not followed"],
] as const)("a %i is a failure", async (status, headers, error) => {
  const { url, received } = await receiver((response) => response.writeHead(status, headers).end("no"));
  expect(await send(url)).toMatchObject({
    responseStatus: status,
    responseBody: "no",
    error: expect.stringContaining(error),
  });
  expect(received).toHaveLength(1);
});

test.each([
  ["switches to a protocol that nobody asked for", "HTTP/1.1 101 Now\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"],
  ["closes without an answer", ""],
  ["sends no end of headers", `HTTP/1.1 200 OK\r\n${"a: b\r\n".repeat(10_000)}`],
  ["sends what is no HTTP", "hello\r\n\r\n"],
])("a receiver that %s has failed, at once", async (_, answer) => {
  const { url } = await receiver(({ socket }) => (answer === "" ? socket?.destroy() : socket?.write(answer)));
  const result = await send(url, { timeoutMs: 600_000 });
  expect(result).toMatchObject({ error: expect.any(String), responseStatus: undefined, isPermanent: false });
});

test("Retry-After is read as seconds and as a date", async () => {
  const seconds = await receiver((response) => response.writeHead(429, { "retry-after": "120" }).end());
  expect(await send(seconds.url)).toMatchObject({ retryAfterMs: 120_000 });
  const date = await receiver((response) =>
    response.writeHead(503, { "retry-after": new Date(Date.now() + 60_000).toUTCString() }).end(),
  );
  const { retryAfterMs = 0 } = await send(date.url);
  expect(retryAfterMs).toBeGreaterThan(0);
  expect(retryAfterMs).toBeLessThanOrEqual(60_000);
});

test("a receiver that hangs is given up at the timeout", async () => {
  const { url } = await receiver(() => undefined);
  const result = await send(url, { timeoutMs: 150 });
  expect(result).toMatchObject({ error: "timeout", responseStatus: undefined });
});

test("of an endless body no more than 4 KiB is read, and its connection is closed", async () => {
  let closed = false;
  const { url } = await receiver((response) => {
    const chunk = Buffer.alloc(65_536, "x");
    const pump = () => {
      while (!closed && response.write(chunk));
    };
    response.on("drain", pump).on("close", () => {
      closed = true;
    });
    pump();
  });
  const result = await send(url);
  expect(result).toMatchObject({ responseStatus: 200, error: undefined });
  expect(result.responseBody).toHaveLength(4096);
  await waitFor(() => closed, { what: "the connection to close" });
});

test("a body that breaks off, hangs or contains NUL bytes does not invalidate a 2xx", again, async () => {
  const breaking = await receiver((response) => {
    response.writeHead(200, { "content-length": "100" }).write("a\0b");
    setTimeout(() => response.destroy(), 20);
  });
  expect(await send(breaking.url)).toMatchObject({ responseStatus: 200, error: undefined, responseBody: "a\uFFFDb" });
  const hanging = await receiver((response) => void response.writeHead(200).write("so far"));
  expect(await send(hanging.url, { timeoutMs: 200 })).toMatchObject({ responseStatus: 200, responseBody: "so far" });
});

test("a refused connection is a failure with its reason", async () => {
  const { url, close } = await startReceiver(ok);
  await close();
  expect(await send(url)).toMatchObject({ error: expect.stringContaining("ECONNREFUSED"), isPermanent: false });
});

test("the connection goes to the checked address, even if the name resolves differently later", async () => {
  const allowed = await receiver(ok);
  let lookups = 0;
  const result = await send(`http://rebinding.example:${allowed.port}/hook`, {
    // Public at the check, the metadata service afterwards: a second lookup would go there.
    resolve: async () => [{ address: lookups++ === 0 ? "127.0.0.1" : "169.254.169.254", family: 4 }],
  });
  expect(result).toMatchObject({ responseStatus: 200 });
  expect(lookups).toBe(1);
  expect(allowed.received[0]?.headers.host).toBe(`rebinding.example:${allowed.port}`);
});

test("a target that became forbidden is refused at send and not retried", async () => {
  const { url, received, port } = await receiver(ok);
  expect(await send(url, { policy: { ...policy, ownPorts: [port] } })).toMatchObject({
    isPermanent: true,
    error: expect.stringContaining("Metrly's own"),
  });
  expect(received).toHaveLength(0);
});

test("the webhook id is the same for every attempt and has none of the signed text's separators", () => {
  const id = webhookId("acme", "acme:api_calls:DAY:pro@2:2026-11-01T00:00:00.000Z:0.8");
  expect(id).toMatch(/^msg_[A-Za-z0-9_-]{27}$/);
  expect(webhookId("acme", "acme:api_calls:DAY:pro@2:2026-11-01T00:00:00.000Z:0.8")).toBe(id);
  expect(webhookId("globex", "acme:api_calls:DAY:pro@2:2026-11-01T00:00:00.000Z:0.8")).not.toBe(id);
});
