import { once } from "node:events";
import { Agent, get } from "node:http";
import { connect } from "node:net";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { waitFor } from "../../tests/servers/servers.js";
import { createHttpServer } from "./server.js";

describe("every server", () => {
  let app: ReturnType<typeof createHttpServer>;
  beforeEach(() => {
    app = createHttpServer(pino({ level: "silent" }));
    app.post("/things", async () => ({ made: true }));
    app.get("/things", async () => []);
    app.get("/broken", async () => {
      throw new Error("a secret of ours");
    });
  });
  afterEach(() => app.close());

  const answered = async (method: "DELETE" | "GET" | "OPTIONS" | "POST", url: string, type?: string) => {
    const response = await app.inject({
      method,
      url,
      ...(type !== undefined && { headers: { "content-type": type }, payload: "{}" }),
    });
    const { code } = response.json<{ code?: string }>();
    return [response.statusCode, String(response.headers["content-type"]).split(";")[0], code];
  };
  const PROBLEM = "application/problem+json";

  test("distinguishes a missing path from a wrong method", async () => {
    expect(await answered("GET", "/nothing")).toEqual([404, PROBLEM, "NOT_FOUND"]);
    expect(await answered("DELETE", "/things?x=1")).toEqual([405, PROBLEM, "METHOD_NOT_ALLOWED"]);
    expect(await answered("OPTIONS", "/things")).toEqual([405, PROBLEM, "METHOD_NOT_ALLOWED"]);
    expect((await app.inject({ method: "DELETE", url: "/things" })).headers.allow).toBe("GET, HEAD, POST");
  });

  test("accepts JSON, but no text that looks like it", async () => {
    expect(await answered("POST", "/things", "application/json")).toEqual([200, "application/json", undefined]);
    expect(await answered("POST", "/things", "text/plain")).toEqual([415, PROBLEM, "UNSUPPORTED_MEDIA_TYPE"]);
    const refused = await app.inject({
      method: "POST",
      url: "/things",
      payload: "{}",
      headers: { "content-type": "a/b" },
    });
    expect(refused.json()).toMatchObject({ detail: "Send the body with `Content-Type: application/json`" });
  });

  test("ends each line of JSON, for whoever reads it at a terminal", async () => {
    for (const url of ["/things", "/nothing", "/broken"])
      expect((await app.inject({ method: "GET", url })).body, url).toMatch(/^\S.*[\]}]\n$/);
  });

  test("names the limit of a body that exceeds it", async () => {
    const body = { method: "POST", url: "/things", headers: { "content-type": "application/json" } } as const;
    const refused = await app.inject({ ...body, payload: JSON.stringify("x".repeat(1_048_576)) });
    expect(refused.json()).toMatchObject({ code: "TOO_LARGE", detail: "A body has at most 1048576 bytes" });
  });

  test("closes soon although a client keeps its connection alive after the last answer", async () => {
    let answer: (() => void) | undefined;
    app.get("/slow", async () => {
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      return "done";
    });
    const url = await app.listen({ host: "127.0.0.1", port: 0 });
    const agent = new Agent({ keepAlive: true });
    const status = new Promise((resolve, reject) => {
      get(`${url}/slow`, { agent }, (response) => response.resume().on("end", () => resolve(response.statusCode))).on(
        "error",
        reject,
      );
    });
    await waitFor(() => answer !== undefined, { what: "the request to arrive" });
    const closing = app.close();
    await new Promise((resolve) => setTimeout(resolve, 100));
    answer?.();
    expect(await status).toBe(200);
    await closing;
    agent.destroy();
  });

  test("closes although a client opened a connection in advance, or never ends its request", async () => {
    const url = new URL(await app.listen({ host: "127.0.0.1", port: 0 }));
    const clients = ["", "POST /things HTTP/1.1\r\n", `${POST_HEAD}{`].map((sent) => {
      const socket = connect(Number(url.port), url.hostname);
      socket.on("error", () => undefined).resume();
      socket.write(sent);
      return socket;
    });
    await once(app.server, "request");
    const closed = clients.map((socket) => new Promise((resolve) => socket.once("close", resolve)));
    await app.close();
    await Promise.all(closed);
  });

  test("refuses JSON that is nested too deep, and compressed JSON", async () => {
    const post = async (payload: string, headers = {}) => {
      const url = "/things";
      const response = await app.inject({ method: "POST", url, payload, headers: { ...JSON_TYPE, ...headers } });
      return [response.statusCode, response.json<{ code?: string }>().code];
    };
    const nested = (levels: number) => `{"a":${"[".repeat(levels)}${"]".repeat(levels)}}`;
    expect(await post(nested(63))).toEqual([200, undefined]);
    expect(await post(nested(64))).toEqual([400, "INVALID"]);
    expect(await post(nested(100_000))).toEqual([400, "INVALID"]);
    expect(await post("{}", { "content-encoding": "zstd" })).toEqual([415, "UNSUPPORTED_MEDIA_TYPE"]);
  });

  test("masks its bugs", async () => {
    const response = await app.inject({ method: "GET", url: "/broken" });
    expect(response.statusCode).toBe(500);
    expect(response.body).not.toContain("secret");
    expect(response.headers["content-type"], "as registered, without a charset").toBe(PROBLEM);
  });
});

const POST_HEAD = "POST /things HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n";
const JSON_TYPE = { "content-type": "application/json" };
