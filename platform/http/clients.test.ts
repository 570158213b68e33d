import { once } from "node:events";
import { request as send } from "node:http";
import { connect } from "node:net";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MetrlyError } from "#kernel/errors.js";
import { createHttpServer } from "./server.js";

const MIB = 1 << 20;

describe("a server answers", () => {
  let app: ReturnType<typeof createHttpServer>;
  let url: URL;
  beforeEach(async () => {
    app = createHttpServer(pino({ level: "silent" }));
    app.post("/things", async () => ({ made: true }));
    app.directly("POST", "/unread", (_, response) => response.writeHead(401, { "content-length": 2 }).end("no"));
    app.directly("GET", "/large", (_, response) => response.end(Buffer.alloc(64 * MIB)));
    url = new URL(await app.listen({ host: "127.0.0.1", port: 0 }));
  });
  afterEach(() => app.close());

  /** Writes these parts, and gives all that comes back until the server ends the connection. */
  function exchange(parts: readonly (string | Buffer)[], end = false): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port: Number(url.port), host: url.hostname, allowHalfOpen: true });
      let text = "";
      socket.on("data", (chunk) => {
        text += chunk;
      });
      socket.on("end", () => {
        socket.destroy();
        resolve(text);
      });
      socket.on("error", reject);
      for (const part of parts) socket.write(part);
      if (end) socket.end();
    });
  }

  const WISHES = ["h2c", "websocket", "TLS/1.2, h2c", "x"];
  test.each(WISHES)("a client that asks for the protocol %s, over HTTP/1.1", async (wish) => {
    const ask = (path: string, more: string) =>
      `POST ${path} HTTP/1.1\r\nhost: x\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: ${wish}\r\nhttp2-settings: AAMA\r\n${more}`;
    const body = "content-type: application/json\r\ncontent-length: 8\r\n\r\n";
    // The body in two parts, then a second request on the same connection.
    const parts = [`${ask("/things", body)}{"a"`, ":1 }", ask("/nothing", "content-length: 0\r\n\r\n")];
    const text = await exchange([...parts, "GET /end HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"]);
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 404", "HTTP/1.1 404"]);
    expect(text).toContain("application/problem+json");
  });

  test("a client that ended its side of the connection after the request", async () => {
    const text = await exchange([head("/things", 2), "{}"], true);
    expect(text).toMatch(/^HTTP\/1\.1 200 .*{"made":true}\n$/s);
  });

  test.each(["/things", "/unread"])(
    "%s before a large body has arrived, and the client gets to read that",
    async (path) => {
      const body = Buffer.alloc(8 * MIB, " ");
      for (const answered of [byFetch(path, body), byNode(path, body)])
        expect(await answered).toBe(path === "/things" ? 413 : 401);
    },
  );

  test("more than it is willing to drop, and closes the connection", async () => {
    const chunk = Buffer.alloc(MIB, " ");
    const parts = [head("/unread", 64 * MIB), ...Array.from({ length: 20 }, () => chunk)];
    const text = await exchange(parts).catch((error: unknown) => String(error));
    expect(text).toMatch(/^HTTP\/1\.1 401|ECONNRESET|EPIPE/);
  });

  test("a client that is too slow, by the part that is late", async () => {
    const slow = await Promise.all([
      exchange([]),
      exchange(["POST /things HTTP/1.1\r\nhost: x\r\n"]),
      exchange([head("/things", 1_000), "{"]),
      exchange([head("/unread", 1_000), "{"]),
    ]);
    expect(slow.map((text) => text.match(/^HTTP\/1\.1 \d+/gm))).toEqual([
      ["HTTP/1.1 408"],
      ["HTTP/1.1 408"],
      ["HTTP/1.1 408"],
      ["HTTP/1.1 401"],
    ]);
    expect(JSON.parse(slow[2]?.split("\r\n\r\n")[1] ?? "")).toMatchObject({ code: "REQUEST_TIMEOUT" });
  }, 30_000);

  test("as much as a client reads, and disconnects one that stops reading", async () => {
    const socket = connect(Number(url.port), url.hostname);
    socket.write("GET /large HTTP/1.1\r\nhost: x\r\n\r\n");
    const [, response] = await once(app.server, "request");
    // The answer does not fit into any buffer of the system.
    await once(response, "close");
    socket.destroy();
  }, 40_000);

  test("a client whose credential ends while its body arrives", async () => {
    let isGood = true;
    app.whileArriving("/things", () => {
      if (!isGood) throw new MetrlyError("UNAUTHENTICATED", "The key is revoked");
    });
    const answer = exchange([head("/things?x=1", 20_000), "{"]);
    await once(app.server, "request");
    isGood = false;
    expect(await answer).toMatch(/^HTTP\/1\.1 401 .*"UNAUTHENTICATED"/s);
  });

  test("within its limits of time", () => {
    expect(app.server).toMatchObject({ headersTimeout: 10_000, requestTimeout: 30_000, keepAliveTimeout: 72_000 });
  });

  test("what is no HTTP, or has too large a header, with a problem document", async () => {
    const [noHttp, large] = [
      await exchange(["hello\r\n\r\n"]),
      await exchange([`GET / HTTP/1.1\r\nhost: x\r\nx: ${"x".repeat(20_000)}\r\n\r\n`]),
    ];
    expect(noHttp).toMatch(/^HTTP\/1\.1 400 .*application\/problem\+json.*"MALFORMED"/s);
    expect(large).toMatch(/^HTTP\/1\.1 413 .*"TOO_LARGE"/s);
  });

  async function byFetch(path: string, body: Buffer<ArrayBuffer>): Promise<number> {
    const response = await fetch(new URL(path, url), { method: "POST", body, headers: JSON_TYPE });
    await response.text();
    return response.status;
  }

  /** Writes the whole body, and asks for the connection to be closed. */
  function byNode(path: string, body: Buffer): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
      const headers = { ...JSON_TYPE, "content-length": body.length };
      const request = send(new URL(path, url), { method: "POST", headers, agent: false }, (response) => {
        response
          .on("end", () => resolve(response.statusCode))
          .on("error", reject)
          .resume();
      });
      request.on("error", reject).end(body);
    });
  }
});

const JSON_TYPE = { "content-type": "application/json" };
const head = (path: string, bytes: number): string =>
  `POST ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${bytes}\r\n\r\n`;
