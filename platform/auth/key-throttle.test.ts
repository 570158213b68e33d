import { pino } from "pino";
import { afterEach, expect, test } from "vitest";
import { MetrlyError } from "#kernel/errors.js";
import { createHttpServer } from "#platform/http/server.js";
import { createKeyThrottle, type KeyThrottleOptions } from "./key-throttle.js";

const GOOD = "Bearer mtr_live_good";
const wrong = (n: number) => `Bearer mtr_live_wrong${n}`;

const refused = new MetrlyError("UNAUTHENTICATED", "no");
const judgeKey = async (authorization: string) => {
  if (authorization !== GOOD) throw refused;
};
const from = (address: string, forwarded?: string) => ({
  socket: { remoteAddress: address },
  headers: { "x-forwarded-for": forwarded },
});

function throttleAt(options: Partial<KeyThrottleOptions> = {}) {
  const at = { ms: 0 };
  const throttle = createKeyThrottle({ judgeKey, now: () => at.ms, ...options });
  const mayTry = async (address: string, authorization: string, forwarded?: string): Promise<boolean> => {
    const refusal = await throttle.refusal(from(address, forwarded), authorization);
    if (refusal !== undefined) expect(refusal.code).toBe("TOO_MANY_ATTEMPTS");
    return refusal === undefined;
  };
  const fail = (address: string, authorization: string, forwarded?: string) =>
    throttle.noteWrong(from(address, forwarded), authorization);
  return { at, throttle, mayTry, fail };
}

test("after 50 wrong keys an address may try one more each second; good keys and other addresses always", async () => {
  const { at, mayTry, fail } = throttleAt();
  for (let n = 0; n < 50; n += 1) {
    expect(await mayTry("10.0.0.1", wrong(n))).toBe(true);
    fail("10.0.0.1", wrong(0));
  }
  expect(await mayTry("10.0.0.1", wrong(50))).toBe(false);
  expect(await mayTry("10.0.0.1", GOOD)).toBe(true);
  expect(await mayTry("10.0.0.2", wrong(0))).toBe(true);
  at.ms = 1_000;
  expect(await mayTry("10.0.0.1", wrong(51))).toBe(true);
  fail("10.0.0.1", wrong(0));
  expect(await mayTry("10.0.0.1", wrong(52))).toBe(false);
  at.ms = 120_000;
  for (let n = 0; n < 49; n += 1) fail("10.0.0.1", wrong(0));
  expect(await mayTry("10.0.0.1", wrong(99))).toBe(true);
});

test("forged tokens count like wrong keys, and a good token is never refused", async () => {
  const { throttle, mayTry, fail } = throttleAt();
  const forged = (n: number) => `Bearer eyJ.forged${n}.token`;
  let verified = 0;
  let isGood = true;
  for (let n = 0; n < 50; n += 1) fail("10.0.0.1", forged(n));
  expect(await mayTry("10.0.0.1", "Bearer eyJ.good.token")).toBe(false);
  throttle.judgeTokens(async (authorization) => {
    verified += 1;
    if (authorization === "Bearer eyJ.away.token") throw new MetrlyError("UNAVAILABLE", "the provider is away");
    if (!isGood || authorization !== "Bearer eyJ.good.token") throw refused;
  });
  const tries = Array.from({ length: 500 }, (_, n) => mayTry("10.0.0.1", forged(n)));
  expect(await mayTry("10.0.0.1", "Bearer eyJ.good.token")).toBe(true);
  expect((await Promise.all(tries)).filter((may) => may)).toEqual([]);
  expect(await mayTry("10.0.0.1", "Bearer eyJ.away.token")).toBe(true);
  const before = verified;
  expect(await mayTry("10.0.0.1", "Bearer eyJ.good.token")).toBe(true);
  expect(verified).toBe(before);
  isGood = false;
  fail("10.0.0.1", "Bearer eyJ.good.token");
  expect(await mayTry("10.0.0.1", "Bearer eyJ.good.token")).toBe(false);
});

test("a credential counts in whatever form it is shown", async () => {
  const { mayTry, fail } = throttleAt();
  const basic = (name: string, password: string) => `basic ${Buffer.from(`${name}:${password}`).toString("base64")}`;
  for (let n = 0; n < 25; n += 1) fail("10.0.0.1", basic("admin", `mtr_live_wrong${n}`));
  for (let n = 0; n < 25; n += 1) fail("10.0.0.1", wrong(n));
  for (const shown of [
    wrong(99),
    basic("", "mtr_live_wrong"),
    basic("a", "MTR_LIVE_wrong"),
    basic("mtr_live_wrong", ""),
  ])
    expect([shown, await mayTry("10.0.0.1", shown)]).toEqual([shown, false]);
  expect(await mayTry("10.0.0.1", basic("admin", "mtr_live_good"))).toBe(true);
});

test("an IPv6 network is one address, however it is written, and an IPv4 one in it is itself", async () => {
  const { mayTry, fail } = throttleAt();
  for (let n = 0; n < 50; n += 1) fail(`2001:db8:0:1::${n.toString(16)}`, wrong(n));
  expect(await mayTry("2001:db8:0:1:ffff::1", wrong(0))).toBe(false);
  expect(await mayTry("2001:db8:0:2::1", wrong(0))).toBe(true);
  // However it is shortened, the network is the first half.
  for (let n = 0; n < 50; n += 1) fail(`2001:db8::${n.toString(16)}:2:3:4`, wrong(n));
  expect(await mayTry("2001:db8::ffff:2:3:4", wrong(0))).toBe(false);
  for (let n = 0; n < 50; n += 1) fail("::ffff:192.0.2.1", wrong(n));
  expect(await mayTry("192.0.2.1", wrong(0))).toBe(false);
});

test("the client of a trusted proxy is whom the proxy names last; nobody else names one", async () => {
  const { mayTry, fail } = throttleAt({ trustedProxies: ["172.16.0.0/12", "fd00::7"] });
  // What a client writes itself comes first and does not count.
  for (let n = 0; n < 50; n += 1) fail("::ffff:172.18.0.5", wrong(n), `192.0.2.${n}, 198.51.100.1`);
  expect(await mayTry("172.18.0.9", wrong(0), "198.51.100.1")).toBe(false);
  expect(await mayTry("fd00::7", wrong(0), "203.0.113.1,198.51.100.1")).toBe(false);
  expect(await mayTry("172.18.0.5", wrong(0), "198.51.100.2")).toBe(true);
  expect(await mayTry("198.51.100.1", wrong(0), "203.0.113.1")).toBe(false);
  for (let n = 0; n < 50; n += 1) fail("203.0.113.9", wrong(n), `192.0.2.${n}`);
  expect(await mayTry("203.0.113.9", wrong(0), "192.0.2.99")).toBe(false);
  // A proxy that names nobody counts itself.
  for (let n = 0; n < 50; n += 1) fail("172.18.0.5", wrong(n), "unknown");
  expect(await mayTry("172.18.0.5", wrong(0))).toBe(false);
});

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

test("a server counts 401 responses on any path, and refuses before any handler runs", async () => {
  let judged = 0;
  const judge = (authorization: string | undefined) => {
    judged += 1;
    return authorization === GOOD;
  };
  const app = createHttpServer(pino({ level: "silent" }), createKeyThrottle({ judgeKey, now: () => 0 }));
  closers.push(() => app.close());
  app.directly("POST", "/direct", (request, response) => {
    request.resume();
    response.writeHead(judge(request.headers.authorization) ? 200 : 401).end();
  });
  app.get("/routed", async (request) => {
    if (!judge(request.headers.authorization)) throw new MetrlyError("UNAUTHENTICATED", "no");
    return "yes";
  });
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  const ask = async (method: string, path: string, authorization: string) => {
    const response = await fetch(url + path, { method, headers: { authorization } });
    return { status: response.status, retryAfter: response.headers.get("retry-after"), text: await response.text() };
  };
  for (let n = 0; n < 25; n += 1) {
    expect((await ask("POST", "/direct", wrong(n))).status).toBe(401);
    expect((await ask("GET", "/routed", wrong(n))).status).toBe(401);
  }
  const answer = await ask("POST", "/direct", wrong(99));
  const before = judged;
  await ask("GET", "/routed", wrong(99));
  expect([answer.status, JSON.parse(answer.text).code]).toEqual([429, "TOO_MANY_ATTEMPTS"]);
  expect(Number(answer.retryAfter)).toBeGreaterThan(0);
  expect(judged).toBe(before);
  expect((await ask("POST", "/direct", GOOD)).status).toBe(200);
  expect((await ask("GET", "/routed", GOOD)).status).toBe(200);
});
