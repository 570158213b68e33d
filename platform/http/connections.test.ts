import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { connect, type Socket } from "node:net";
import { pino } from "pino";
import { afterEach, expect, test } from "vitest";
import { waitFor } from "../../tests/servers/servers.js";
import type { ConnectionLimits } from "./connections.js";
import { createHttpServer } from "./server.js";

const MIB = 1 << 20;
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function serve(limits: ConnectionLimits) {
  const app = createHttpServer(pino({ level: "silent" }), undefined, limits);
  const answers: (() => void)[] = [];
  app.get("/fast", async () => "fast");
  app.get("/slow", () => new Promise((resolve) => answers.push(() => resolve("slow"))));
  app.post("/up", async () => "up");
  app.directly("GET", "/text", (_, response) => response.end("€".repeat(8 * MIB)));
  app.directly("GET", "/large", (_, response) => response.end(Buffer.alloc(16 * MIB)));
  const { port } = new URL(await app.listen({ host: "::", port: 0, ipv6Only: false }));
  closers.push(() => app.close());
  return {
    app,
    answers,
    /** Opens a connection from an address, and sends nothing. */
    async open(from: string, sent = ""): Promise<Socket> {
      const socket = connect({ port: Number(port), host: "127.0.0.1", localAddress: from }).on(
        "error",
        () => undefined,
      );
      closers.push(() => socket.destroy());
      await once(socket, "connect");
      socket.write(sent);
      return socket;
    },
    get: (path: string, from: string) =>
      new Promise<IncomingMessage>((resolve, reject) => {
        const options = { port, host: "127.0.0.1", path, localAddress: from, agent: false };
        request(options, (response) => resolve(response.resume()))
          .on("error", reject)
          .end();
      }),
  };
}

const [MANY, FEW] = ["127.0.0.2", "127.0.0.3"];

test("idle connections make room for others, the oldest of the address with the most first", async () => {
  const server = await serve({ max: 5 });
  const few = await server.open(FEW);
  const many: Socket[] = [];
  for (let n = 0; n < 4; n += 1) many.push(await server.open(MANY));
  expect((await server.get("/fast", FEW)).statusCode).toBe(200);
  expect((await server.get("/fast", MANY)).statusCode).toBe(200);
  await waitFor(() => many[0]?.destroyed, { what: "the oldest idle connection to close" });
  expect([few.destroyed, many[3]?.destroyed]).toEqual([false, false]);
});

test("an address whose connections all wait for answers keeps out only itself", async () => {
  const server = await serve({ max: 3 });
  const waiting = Array.from({ length: 3 }, () => server.get("/slow", MANY).catch(() => undefined));
  await waitFor(() => server.answers.length === 3, { what: "the requests" });
  const refused = await server.get("/fast", MANY);
  expect([refused.statusCode, refused.headers["retry-after"]]).toEqual([503, "1"]);
  expect((await server.get("/fast", FEW)).statusCode).toBe(200);
  for (const answer of server.answers) answer();
  const statuses = (await Promise.all(waiting)).map((response) => response?.statusCode);
  expect(statuses.filter((status) => status === 200)).toHaveLength(2);
});

test("unread answers are bounded together: the connections with the most are closed", async () => {
  const server = await serve({ maxUnreadBytes: 20 * MIB });
  const readers = [];
  for (let n = 0; n < 4; n += 1) readers.push(await server.open(MANY, "GET /large HTTP/1.1\r\nhost: x\r\n\r\n"));
  for (const reader of readers) reader.pause();
  await waitFor(async () => (await connectionsOf(server.app.server)) <= 1, {
    what: "the unread answers to be dropped",
  });
  expect((await server.get("/fast", MANY)).statusCode).toBe(200);
});

test.each(["", "content-length: 5\r\n"])(
  "an unread text counts its bytes, not its characters; announced: '%s'",
  async (announced) => {
    const server = await serve({ maxUnreadBytes: 16 * MIB, maxUnreadMs: 600_000 });
    const reader = await server.open(MANY, `GET /text HTTP/1.1\r\nhost: x\r\n${announced}\r\n`);
    reader.pause();
    await waitFor(async () => (await connectionsOf(server.app.server)) === 0, { what: "the connection to be closed" });
  },
);

/** A request may have an expectation that is not understood. */
const EXPECTATIONS = [["none", ""] as const, ["an unknown one", "expect: more\r\n"] as const];

test.each(EXPECTATIONS)(
  "answers that wait for an unread one on their connection count as unread; expectation: %s",
  async (_, expectation) => {
    const server = await serve({ maxUnreadBytes: 40 * MIB, maxUnreadMs: 600_000 });
    const reader = await server.open(MANY, `GET /large HTTP/1.1\r\nhost: x\r\n${expectation}\r\n`.repeat(4));
    reader.pause();
    await waitFor(async () => (await connectionsOf(server.app.server)) === 0, {
      what: "the connection to be closed",
    });
    expect((await server.get("/fast", MANY)).statusCode).toBe(200);
  },
);

test.each<[string, string, (socket: Socket) => unknown]>([
  ["reads nothing", "GET /large HTTP/1.1\r\nhost: x\r\n\r\n", () => undefined],
  ["asks again and again", "GET /large HTTP/1.1\r\nhost: x\r\n\r\n".repeat(20), () => undefined],
  [
    "asks for another protocol",
    "GET /large HTTP/1.1\r\nhost: x\r\n\r\nGET /fast HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
    () => undefined,
  ],
  ["sends what is no request from time to time", "GET /large HTTP/1.1\r\nhost: x\r\n\r\nGET", (s) => s.write("E")],
])("a client that %s, and takes none of its answer, is disconnected", async (_, sent, meanwhile) => {
  const server = await serve({ maxUnreadMs: 1_500 });
  const socket = await server.open(MANY, sent);
  socket.pause();
  await waitFor(async () => (await connectionsOf(server.app.server)) === 1, { what: "the connection" });
  await waitFor(
    async () => {
      meanwhile(socket);
      return (await connectionsOf(server.app.server)) === 0;
    },
    { what: "it to be disconnected" },
  );
});

test("a client that reads slowly gets its whole answer", async () => {
  const maxUnreadMs = 1_000;
  const server = await serve({ maxUnreadMs });
  for (let attempt = 0; ; attempt += 1) {
    const socket = await server.open(MANY, "GET /large HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let bytes = 0;
    let longestPauseMs = 0;
    let readAt = performance.now();
    socket.on("data", (chunk) => {
      bytes += chunk.length;
      longestPauseMs = Math.max(longestPauseMs, performance.now() - readAt);
      readAt = performance.now();
      socket.pause();
      // 16 MiB in chunks of 64 KiB: in all more than what one pause may take.
      setTimeout(() => socket.resume(), 5);
    });
    await once(socket, "close");
    if (bytes > 16 * MIB) return;
    // A machine that stood still made the client pause for too long.
    expect(Math.max(longestPauseMs, performance.now() - readAt)).toBeGreaterThan(maxUnreadMs / 2);
    expect(attempt).toBeLessThan(20);
  }
});

test.each(EXPECTATIONS)(
  "bodies that arrive are bounded together: the largest are refused; expectation: %s",
  async (_, expectation) => {
    const server = await serve({ maxArrivingBytes: MIB });
    const up = async (kib: number) => {
      const body = " ".repeat(kib << 10);
      const head = `POST /up HTTP/1.1\r\nhost: x\r\n${expectation}content-type: application/json\r\ncontent-length: 1000000\r\n\r\n`;
      const [answer] = await once(await server.open(MANY, head + body), "data");
      return { kib, answer: String(answer) };
    };
    const first = await Promise.race([up(300), up(600), up(400)]);
    expect(first).toEqual({ kib: 600, answer: expect.stringMatching(/^HTTP\/1\.1 503 .*"BUSY"/s) });
  },
);

const connectionsOf = (server: { getConnections(done: (error: Error | null, count: number) => void): unknown }) =>
  new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)));

test("a connection that asks for a protocol which is not served counts once, and its place is free again", async () => {
  const server = await serve({ max: 2 });
  for (let n = 0; n < 5; n += 1) {
    const wish = "GET /fast HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n";
    const socket = await server.open(MANY, wish);
    const [answer] = await once(socket, "data");
    expect(String(answer)).toMatch(/^HTTP\/1\.1 200 /);
    socket.destroy();
  }
  const kept = [await server.open(MANY), await server.open(MANY)];
  await server.get("/fast", FEW);
  await waitFor(() => kept[0]?.destroyed, { what: "the oldest idle connection to close" });
  expect(kept[1]?.destroyed).toBe(false);
});
