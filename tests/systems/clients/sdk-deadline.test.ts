import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { Worker } from "node:worker_threads";
import { afterEach, expect, test, vi } from "vitest";
import { createQuota } from "../../../sdk/src/quota.js";

const TIMEOUT_MS = 2_000;
const REQUEST = { meter: "calls", idempotencyKey: "a" };

afterEach(() => void vi.useRealTimers());

/** Another thread's server: tells of each request, and answers while this thread stands still. */
const SERVER = `
  const { parentPort, workerData } = require("node:worker_threads");
  const denial = JSON.stringify({ allowed: false, reason: "LIMIT_EXCEEDED", limits: [] });
  let answer;
  const server = require("node:http").createServer((_, response) => {
    answer = () => response.writeHead(429, { "content-type": "application/json" }).end(denial, () => {
      Atomics.store(workerData, 0, 1);
      Atomics.notify(workerData, 0);
    });
    parentPort.postMessage("asked");
  });
  parentPort.on("message", () => answer());
  server.listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port));
`;

test("a denial that comes while the process stands still is not an outage", async () => {
  const isAnswered = new Int32Array(new SharedArrayBuffer(4));
  const server = new Worker(SERVER, { eval: true, workerData: isAnswered });
  const [port] = await once(server, "message");
  server.on("message", () => {
    server.postMessage("answer");
    Atomics.wait(isAnswered, 0, 0, 10_000);
    // A value that never changes: stands still for longer than a decision may take.
    Atomics.wait(isAnswered, 0, 1, TIMEOUT_MS + 100);
  });
  const connection = { url: `http://127.0.0.1:${port}`, apiKey: "k" };
  const quota = createQuota(connection, { whenUnreachable: "allow", timeoutMs: TIMEOUT_MS });
  expect(await quota.consume(REQUEST)).toMatchObject({ allowed: false, reason: "LIMIT_EXCEEDED" });
  await server.terminate();
});

test("an answer leaves no timer, and a silent server uses up the whole time", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const answering: typeof fetch = async () => Response.json({ allowed: true, reason: "WITHIN_LIMITS", limits: [] });
  const silent: typeof fetch = (_, init) =>
    new Promise((_resolve, reject) => init?.signal?.addEventListener("abort", () => reject(init.signal?.reason)));
  const quotaThrough = (ownFetch: typeof fetch) =>
    createQuota({ url: "http://metrly", apiKey: "k", fetch: ownFetch }, { whenUnreachable: "deny", timeoutMs: 2_000 });

  expect((await quotaThrough(answering).consume(REQUEST)).allowed).toBe(true);
  expect(vi.getTimerCount()).toBe(0);

  let reason: string | undefined;
  const asked = quotaThrough(silent).consume(REQUEST);
  void asked.then((decision) => {
    reason = decision.reason;
  });
  await vi.advanceTimersByTimeAsync(1_999);
  expect(reason).toBeUndefined();
  await vi.advanceTimersByTimeAsync(1);
  expect(await asked).toMatchObject({ reason: "UNREACHABLE", cause: expect.stringContaining("TimeoutError") });
  expect(vi.getTimerCount()).toBe(0);
});

test("a release from a server that is away or silent resolves with false in time", async () => {
  const silent = http.createServer(() => undefined).listen(0, "127.0.0.1");
  await once(silent, "listening");
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const quota = createQuota({ url, apiKey: "k" }, { whenUnreachable: "allow", timeoutMs: 200 });
  expect(await quota.release({ idempotencyKey: "a" })).toBe(false);
  silent.closeAllConnections();
  silent.close();
  await once(silent, "close");
  expect(await quota.release({ idempotencyKey: "a" })).toBe(false);
});
