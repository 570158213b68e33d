import { createServer, type Server } from "node:http";
import { connect, type Socket } from "node:net";
import { pipeline, Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { hasNginx, waitFor } from "../../servers/servers.js";
import { readCompose } from "./compose-file.js";
import { type Edge, startEdge } from "./edge.js";

/** An answer that only its reader, or the edge, ends. */
function* endless(): Generator<Buffer> {
  for (;;) yield Buffer.alloc(1 << 16);
}

/** The times of the edge that nobody wants to wait for in a test. */
const SHORT = {
  client_body_timeout: "1s",
  send_timeout: "1s",
  keepalive_timeout: "1s",
  "limit_conn all": "3",
  proxy_read_timeout: "1s",
  "proxy_buffering off;\\s+proxy_read_timeout": "1s",
} as const;

describe.skipIf(!hasNginx)("the edge, with short times", () => {
  let edge: Edge;
  let stub: Server;
  const ended = { large: 0, body: 0 };

  beforeAll(async () => {
    stub = createServer((request, response) => {
      if (request.url === "/silent") return;
      request.on("error", () => {
        ended.body += 1;
      });
      if (request.url === "/large") {
        pipeline(Readable.from(endless()), response, () => {
          ended.large += 1;
        });
        return;
      }
      request.resume().on("end", () => response.end("{}"));
    });
    new WebSocketServer({ server: stub });
    await new Promise<void>((resolve) => stub.listen(0, "127.0.0.1", resolve));
    const address = stub.address();
    if (address === null || typeof address === "string") throw new Error("the stub has no port");
    const places = [`127.0.0.1:${address.port}`];
    const { services } = await readCompose({});
    const addresses = new Map(["gateway", "ingestion", "quota"].map((name) => [name, places]));
    edge = await startEdge(services.edge?.command ?? [], addresses, SHORT);
  });
  afterAll(async () => {
    await edge?.stop();
    stub?.closeAllConnections();
    stub?.close();
  });

  /** A connection on which this was sent; `got` grows, `isClosed` once the edge closed it. */
  function send(bytes: string) {
    const seen = { got: "", isClosed: false };
    const socket: Socket = connect(Number(new URL(edge.url).port), "127.0.0.1", () => socket.write(bytes));
    socket.on("data", (chunk) => {
      seen.got += chunk.toString();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      seen.isClosed = true;
    });
    return { socket, seen };
  }

  test("closes a connection whose body stops", async () => {
    const { seen } = send("POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nthe beginning");
    await waitFor(() => seen.isClosed && ended.body === 1, { what: "both sides to be closed" });
    expect(seen.got).toBe("");
  });

  test("ends an answer that its client does not read", async () => {
    const { socket } = send("GET /large HTTP/1.1\r\nhost: x\r\n\r\n");
    socket.pause();
    await waitFor(() => ended.large === 1, { what: "the answer to be ended" });
    socket.destroy();
  });

  test("closes a connection without a request", async () => {
    const { seen } = send("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
    await waitFor(() => seen.isClosed, { what: "the connection to be closed" });
    expect(seen.got).toMatch(/^HTTP\/1.1 200 .*"ok"/s);
  });

  test("says that a service is unavailable when it does not answer in time", async () => {
    const response = await fetch(`${edge.url}/silent`);
    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(await response.json()).toMatchObject({ code: "UNAVAILABLE" });
  });

  test("closes a WebSocket without messages", async () => {
    // On a busy machine, the stub may not have answered within a second: such a one is not opened.
    const wasOpen = () =>
      new Promise<boolean>((resolve) => {
        const socket = new WebSocket(`${edge.url.replace("http", "ws")}/graphql`);
        let isOpen = false;
        socket.once("open", () => {
          isOpen = true;
        });
        socket.once("error", () => undefined).once("close", () => resolve(isOpen));
      });
    await waitFor(wasOpen, { what: "a WebSocket that is opened and closed" });
  });

  test("bounds the requests of all addresses", async () => {
    const begin = () => send("POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n");
    const places = [begin(), begin(), begin()];
    const refusal = await waitFor(
      async () => {
        // The edge ends a body that stops: on a busy machine, before it reads the request after it.
        for (const [n, { seen }] of places.entries()) if (seen.isClosed) places[n] = begin();
        const response = await fetch(`${edge.url}/`);
        const { code } = (await response.json()) as { code?: string };
        return code === "BUSY" ? response : undefined;
      },
      { what: "a refusal" },
    );
    expect(refusal.status).toBe(503);
    for (const { socket } of places) socket.destroy();
    await waitFor(async () => (await fetch(`${edge.url}/`)).status === 200, { what: "room for a request" });
  });
});
