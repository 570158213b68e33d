import { pino } from "pino";
import { afterEach, expect, test } from "vitest";
import { MetrlyError } from "#kernel/errors.js";
import { createHttpServer } from "#platform/http/server.js";
import { createKeyThrottle } from "./key-throttle.js";

const GOOD = "Bearer mtr_live_good";
const wrong = (n: number) => `Bearer mtr_live_wrong${n}`;

function throttleAt() {
  const at = { ms: 0 };
  const throttle = createKeyThrottle(
    (authorization) => authorization === GOOD,
    () => at.ms,
  );
  const mayTry = (address: string, authorization: string): boolean => {
    try {
      throttle.assertMayTry(address, authorization);
      return true;
    } catch (error) {
      if (error instanceof MetrlyError && error.code === "TOO_MANY_ATTEMPTS") return false;
      throw error;
    }
  };
  return { at, throttle, mayTry };
}

test("after 50 wrong keys an address may try one more each second; good keys and other addresses always", () => {
  const { at, throttle, mayTry } = throttleAt();
  for (let n = 0; n < 50; n += 1) {
    expect(mayTry("10.0.0.1", wrong(n))).toBe(true);
    throttle.noteWrongKey("10.0.0.1", wrong(0));
  }
  expect(mayTry("10.0.0.1", wrong(50))).toBe(false);
  expect(mayTry("10.0.0.1", GOOD)).toBe(true);
  expect(mayTry("10.0.0.1", "Bearer eyJ.a.token")).toBe(true);
  for (let n = 0; n < 99; n += 1) throttle.noteWrongKey("10.0.0.2", "Bearer a.b.c");
  expect(mayTry("10.0.0.2", wrong(0))).toBe(true);
  at.ms = 1_000;
  expect(mayTry("10.0.0.1", wrong(51))).toBe(true);
  throttle.noteWrongKey("10.0.0.1", wrong(0));
  expect(mayTry("10.0.0.1", wrong(52))).toBe(false);
  at.ms = 120_000;
  for (let n = 0; n < 49; n += 1) throttle.noteWrongKey("10.0.0.1", wrong(0));
  expect(mayTry("10.0.0.1", wrong(99))).toBe(true);
});

test("a key counts in whatever form it is shown", () => {
  const { throttle, mayTry } = throttleAt();
  const basic = (name: string, password: string) => `basic ${Buffer.from(`${name}:${password}`).toString("base64")}`;
  for (let n = 0; n < 25; n += 1) throttle.noteWrongKey("10.0.0.1", basic("admin", `mtr_live_wrong${n}`));
  for (let n = 0; n < 25; n += 1) throttle.noteWrongKey("10.0.0.1", wrong(n));
  const shown = [wrong(99), basic("", "mtr_live_wrong"), basic("a", "MTR_LIVE_wrong"), basic("mtr_live_wrong", "")];
  expect(shown.filter((authorization) => mayTry("10.0.0.1", authorization))).toEqual([]);
  expect(mayTry("10.0.0.1", basic("admin", "mtr_live_good"))).toBe(true);
  expect(mayTry("10.0.0.1", basic("admin", "eyJ.a.token"))).toBe(true);
});

test("an IPv6 network is one address, however it is written, and an IPv4 one in it is itself", () => {
  const { throttle, mayTry } = throttleAt();
  for (let n = 0; n < 50; n += 1) throttle.noteWrongKey(`2001:db8:0:1::${n.toString(16)}`, wrong(n));
  expect(mayTry("2001:db8:0:1:ffff::1", wrong(0))).toBe(false);
  expect(mayTry("2001:db8:0:2::1", wrong(0))).toBe(true);
  for (let n = 0; n < 50; n += 1) throttle.noteWrongKey("::ffff:192.0.2.1", wrong(n));
  expect(mayTry("192.0.2.1", wrong(0))).toBe(false);
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
  const app = createHttpServer(
    pino({ level: "silent" }),
    createKeyThrottle(
      (authorization) => authorization === GOOD,
      () => 0,
    ),
  );
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
  const refused = await ask("POST", "/direct", wrong(99));
  const before = judged;
  await ask("GET", "/routed", wrong(99));
  expect([refused.status, JSON.parse(refused.text).code]).toEqual([429, "TOO_MANY_ATTEMPTS"]);
  expect(Number(refused.retryAfter)).toBeGreaterThan(0);
  expect(judged).toBe(before);
  expect((await ask("POST", "/direct", GOOD)).status).toBe(200);
  expect((await ask("GET", "/routed", GOOD)).status).toBe(200);
});
