import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { ERROR_CODES, type ErrorCode } from "#kernel/errors.js";
import { hasNginx, waitFor } from "../../servers/servers.js";
import { readCompose } from "./compose-file.js";
import { type Edge, startEdge } from "./edge.js";

/** Stub services behind the edge that return their name and the request. */
interface Stub {
  readonly server: Server;
  readonly address: string;
  connections: number;
}

describe.skipIf(!hasNginx)("the edge", () => {
  const stubs = new Map<string, Stub>();
  let edge: Edge;

  beforeAll(async () => {
    for (const name of ["gateway", "ingestion", "quota", "quota-2"]) stubs.set(name, await startStub(name));
    const { services } = await readCompose({});
    edge = await startEdge(
      services.edge?.command ?? [],
      new Map([
        ["gateway", [addressOf("gateway")]],
        ["ingestion", [addressOf("ingestion")]],
        ["quota", [addressOf("quota"), addressOf("quota-2")]],
      ]),
    );
  });

  afterAll(async () => {
    await edge?.stop();
    for (const { server } of stubs.values()) {
      server.closeAllConnections();
      server.close();
    }
  });

  const addressOf = (name: string): string => stubs.get(name)?.address ?? "";
  const at = (path: string, init?: RequestInit): Promise<Response> => fetch(`${edge.url}${path}`, init);

  test("routes each path to its service, unchanged", async () => {
    const routes: readonly [string, string][] = [
      ["/", "gateway"],
      ["/explorer/app.js", "gateway"],
      ["/.well-known/jwks.json", "gateway"],
      ["/openapi.json", "gateway"],
      ["/docs", "gateway"],
      ["/readyz", "gateway"],
      ["/graphql?query=%7B%20x%20%7D", "gateway"],
      ["/nowhere", "gateway"],
      ["/v1/events?source=a%2Fb&id=1", "ingestion"],
      ["/api/v1/events", "ingestion"],
      ["/v1/quota/check?x=1", "quota"],
    ];
    for (const [path, service] of routes) {
      const seen = await seenBy(await at(path));
      expect([path, seen.service.replace("-2", ""), seen.url]).toEqual([path, service, path]);
    }
  });

  test("forwards credentials, encodings, and the service's own errors", async () => {
    const response = await at("/v1/events", {
      method: "POST",
      headers: { "content-encoding": "gzip", authorization: "Bearer k", "x-answer": "429", host: "metrly.example" },
      body: "some bytes",
    });
    expect(response.status).toBe(429);
    const seen = await seenBy(response);
    expect(seen.body).toBe("some bytes");
    expect(seen.headers).toMatchObject({
      "content-encoding": "gzip",
      authorization: "Bearer k",
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-proto": "http",
      host: new URL(edge.url).host,
    });
  });

  test("keeps its connections to a service open", async () => {
    const before = stubs.get("ingestion")?.connections ?? 0;
    for (let n = 0; n < 20; n++) await (await at("/v1/events")).text();
    // One per worker at most, not one per request.
    expect((stubs.get("ingestion")?.connections ?? 0) - before).toBeLessThan(8);
  });

  test("carries a WebSocket with its protocol to the gateway, and nothing but /graphql is one", async () => {
    const url = edge.url.replace("http", "ws");
    const socket = new WebSocket(`${url}/graphql?a=1`, "graphql-transport-ws");
    const said = new Promise<string>((resolve, reject) => {
      socket.onmessage = (event) => resolve(String(event.data));
      socket.onerror = () => reject(new Error("the socket failed"));
    });
    socket.onopen = () => socket.send("ping");
    expect(await said).toBe("/graphql?a=1 ping");
    expect(socket.protocol).toBe("graphql-transport-ws");
    socket.close();
    await problem(await at("/graphql-socket"), "NOT_FOUND");
    const other = new WebSocket(`${url}/v1/events`);
    await new Promise((resolve) => {
      other.onerror = resolve;
    });
  });

  test("hides internal paths, in any spelling", async () => {
    const spellings = [
      "/internal",
      "/internal/ledger?partition=0&from=1",
      "//internal/ledger",
      "/%69nternal/ledger",
      "/v1/..%2finternal/ledger",
      "/x/%2e%2e/internal/subgraph",
    ];
    for (const path of spellings) await problem(await raw(path), "NOT_FOUND", path);
  });

  test("lets a service refuse a body slightly over its limit, and refuses much larger ones itself", async () => {
    const slightly = await at("/v1/events", { method: "POST", body: "x".repeat(1_100_000) });
    expect((await seenBy(slightly)).body).toHaveLength(1_100_000);
    await problem(await at("/v1/events", { method: "POST", body: "x".repeat(2_000_000) }), "TOO_LARGE");
    await problem(await at("/graphql", { method: "POST", body: "x".repeat(2_000_000) }), "TOO_LARGE");
    await problem(await at(`/${"x".repeat(10_000)}`), "TOO_LARGE");
  });

  test("hands a body on as it arrives, and refuses one that grows too large", async () => {
    const arriving = openRequest(
      "POST /v1/events HTTP/1.1\r\nhost: x\r\nx-early: 1\r\ncontent-length: 100\r\n\r\nfirst",
    );
    expect(await arriving).toMatch(/^HTTP\/1.1 200 .*first/s);
    const chunk = `10000\r\n${"x".repeat(0x10000)}\r\n`.repeat(21);
    const growing = openRequest(`POST /v1/events HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n${chunk}`);
    expect(await growing).toMatch(/^HTTP\/1.1 413 .*"code":"TOO_LARGE"/s);
  });

  test("redirects nowhere, and keeps internal headers to itself", async () => {
    expect((await seenBy(await at("/v1/quota"))).url).toBe("/v1/quota");
    const response = await at("/v1/events", { headers: { "x-metrly-identity": "forged" } });
    expect(response.headers.get("x-powered-by")).toBeNull();
    expect(response.headers.get("server")).toBe("nginx");
    expect((await seenBy(response)).headers).not.toHaveProperty("x-metrly-identity");
    await problem(await raw("/", "TRACE"), "METHOD_NOT_ALLOWED");
  });

  test("bounds the requests of one address, and closes a connection whose header is late", async () => {
    const { services } = await readCompose({});
    const addresses = new Map(["gateway", "ingestion", "quota"].map((name) => [name, [addressOf("gateway")]]));
    // Each has one limit: a client that stands still for a second is not refused by the other.
    const start = (limits: Readonly<Record<string, string>>) =>
      startEdge(services.edge?.command ?? [], addresses, limits);
    const [small, hasty] = await Promise.all([
      start({ "limit_conn address": "3" }),
      start({ client_header_timeout: "1s" }),
    ]);
    try {
      const { port } = new URL(hasty.url);
      expect(await openRequest("GET / HTTP/1.1\r\nhost:", port)).toBe("");
      const open = [1, 2, 3].map(() => new WebSocket(`${small.url.replace("http", "ws")}/graphql`));
      await Promise.all(open.map((socket) => new Promise((resolve) => socket.once("open", resolve))));
      const refused = await fetch(`${small.url}/`);
      expect(refused.headers.get("retry-after")).toBe("1");
      await problem(refused, "BUSY");
      expect((await fetch(`${small.url}/healthz`)).status).toBe(200);
      for (const socket of open) socket.close();
      await waitFor(async () => (await fetch(`${small.url}/`)).status === 200, { what: "room for a request" });
    } finally {
      await Promise.all([small.stop(), hasty.stop()]);
    }
  });

  test("answers with problems where it cannot read a request at all", async () => {
    await problem(await at("/", { headers: { "x-long": "y".repeat(9_000) } }), "TOO_LARGE");
    await problem(await raw("/ HTTP/1.1\r\nhost: x\r\ntransfer-encoding: odd"), "MALFORMED");
    await problem(await raw("/ HTTP/1.1 nonsense"), "MALFORMED");
    await problem(await raw("/ HTTP/1.1\r\nno-host: x"), "MALFORMED");
  });

  test("retries dropped requests on another replica, where ids make that safe", async () => {
    const answers = new Set<string>();
    for (let n = 0; n < 10; n++) {
      const response = await at("/v1/quota/consume", { method: "POST", body: "{}", headers: { "x-drop": "quota" } });
      answers.add((await seenBy(response)).service);
    }
    expect(answers).toEqual(new Set(["quota-2"]));
  });

  test("says that a service is unavailable with a problem and when to try again, never in HTML", async () => {
    const gone = stubs.get("ingestion");
    const dropped = await at("/graphql", { method: "POST", body: "{}", headers: { "x-drop": "gateway" } });
    expect(dropped.headers.get("retry-after")).toBe("1");
    await problem(dropped, "UNAVAILABLE");
    gone?.server.closeAllConnections();
    gone?.server.close();
    const refused = await at("/v1/events", { method: "POST", body: "{}" });
    expect(refused.headers.get("retry-after")).toBe("1");
    await problem(refused, "UNAVAILABLE");
    expect(await (await at("/healthz")).json()).toEqual({ status: "ok" });
  });

  /** What arrives after these bytes, until the edge closes the connection or has answered. */
  function openRequest(bytes: string, port = new URL(edge.url).port): Promise<string> {
    return new Promise((resolve) => {
      let answer = "";
      const socket = connect(Number(port), "127.0.0.1", () => socket.write(bytes));
      socket.on("data", (chunk) => {
        answer += chunk.toString();
        if (answer.endsWith("}") || answer.endsWith("\r\n0\r\n\r\n")) socket.destroy();
      });
      // The edge may close before it has read everything.
      socket.on("error", () => undefined);
      socket.on("close", () => resolve(answer));
    });
  }

  /** Unchanged: fetch would normalize the path. */
  async function raw(path: string, method = "GET"): Promise<Response> {
    const head = `${method} ${path}${path.includes(" ") ? "" : " HTTP/1.1\r\nhost: x"}`;
    return responseOf(await openRequest(`${head}\r\nconnection: close\r\n\r\n`));
  }

  function responseOf(text: string): Response {
    const [head = "", body = ""] = text.split("\r\n\r\n");
    const [line = "", ...lines] = head.split("\r\n");
    const headers = lines.map((header): [string, string] => {
      const colon = header.indexOf(":");
      return [header.slice(0, colon), header.slice(colon + 1).trim()];
    });
    return new Response(body, { status: Number(line.split(" ")[1]), headers });
  }
});

async function problem(response: Response, code: ErrorCode, what?: string): Promise<void> {
  const { status, meaning } = ERROR_CODES[code];
  expect([what, response.status, response.headers.get("content-type")]).toEqual([
    what,
    status,
    "application/problem+json",
  ]);
  expect(await response.json()).toEqual({
    type: `urn:metrly:error:${code}`,
    title: meaning,
    status,
    detail: expect.any(String),
    code,
  });
}

interface Seen {
  readonly service: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

async function seenBy(response: Response): Promise<Seen> {
  return (await response.json()) as Seen;
}

/** Echoes every request; `x-answer` selects the status, `x-drop: <service>` drops the connection there. */
async function startStub(service: string): Promise<Stub> {
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const isEarly = request.headers["x-early"] !== undefined;
    const body = isEarly ? await firstOf(request) : await bodyOf(request);
    if (request.headers["x-drop"] === service) return void request.socket.destroy();
    response.writeHead(Number(request.headers["x-answer"] ?? 200), {
      "content-type": "application/json",
      "x-powered-by": "a service",
    });
    response.end(JSON.stringify({ service, url: request.url, headers: request.headers, body }));
  }
  // The edge ends a request whose client is gone or sends too much.
  const server = createServer((request, response) => void answer(request, response).catch(() => response.destroy()));
  // The services' own: longer than the edge keeps a connection.
  server.keepAliveTimeout = 72_000;
  const sockets = new WebSocketServer({ server });
  sockets.on("connection", (socket, request) =>
    socket.on("message", (data) => socket.send(`${request.url} ${String(data)}`)),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the stub has no port");
  const stub: Stub = { server, address: `127.0.0.1:${address.port}`, connections: 0 };
  server.on("connection", () => {
    stub.connections++;
  });
  return stub;
}

async function firstOf(request: IncomingMessage): Promise<string> {
  const [chunk] = (await once(request, "data")) as [Buffer];
  return chunk.toString("utf8");
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}
