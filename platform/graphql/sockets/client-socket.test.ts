import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { buildSchema } from "graphql";
import { pino } from "pino";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { machineTime, replaceTime } from "#platform/lifecycle/time.js";
import { waitFor } from "../../../tests/servers/servers.js";
import { serveGraphqlSocket } from "./socket.js";

const MIB = 1 << 20;
const UPGRADE =
  "GET /graphql HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-protocol: graphql-transport-ws\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const [TEXT, WHOLE, CONTINUED] = [0x01, 0x80, 0x00];
/** Masked with zeros. */
const PING = Buffer.from([0x89, 0x80, 0, 0, 0, 0]);

let port: number;
/** Payloads of the pings, in the order in which they were handled. */
let pings: unknown[];
let onFirstPing: () => void;
/** WebSocket's own pings that were parsed, on all sockets. */
let parsed: number;
let onParsed: (socket: WebSocket) => void;
let onOpened: (socket: WebSocket) => void;
const closers: (() => unknown)[] = [];
beforeEach(async () => {
  pings = [];
  onFirstPing = () => undefined;
  parsed = 0;
  onParsed = () => undefined;
  onOpened = () => undefined;
  const http = createServer();
  const sockets = serveGraphqlSocket({
    path: "/graphql",
    maxMessageBytes: MIB / 4,
    maxHeldBytes: 2 * MIB,
    // Longer than the tests.
    protocol: {
      schema: buildSchema("type Query { a: Int }"),
      connectionInitWaitTimeout: 600_000,
      onPing(_, payload) {
        if (pings.push(payload?.n) === 1) onFirstPing();
      },
    },
    senderOf: () => ({ name: "tenant", isKnown: true }),
    onOpened(socket) {
      onOpened(socket);
      socket.on("ping", () => {
        parsed += 1;
        onParsed(socket);
      });
    },
    logger: pino({ level: "silent" }),
  });
  http.on("upgrade", sockets.handleUpgrade);
  await once(http.listen(0, "127.0.0.1"), "listening");
  ({ port } = http.address() as AddressInfo);
  closers.push(
    () => http.close(),
    () => sockets.stop(),
  );
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function open(): Promise<{ readonly socket: Socket; isClosed(): boolean }> {
  let isClosed = false;
  const socket = connect(port, "127.0.0.1").on("error", () => undefined);
  socket.on("close", () => {
    isClosed = true;
  });
  closers.push(() => socket.destroy());
  socket.write(UPGRADE);
  await once(socket, "data");
  return { socket, isClosed: () => isClosed };
}

/** Masked with zeros. */
function frame(first: number, text: string, length = text.length): Buffer {
  const head = Buffer.from([first, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, Buffer.from(text)]);
}

/** Until the socket breaks; the client reads nothing. */
async function flood(socket: Socket, bytes: Buffer, isOver: () => boolean): Promise<void> {
  socket.pause();
  await waitFor(
    () => {
      if (socket.writableLength < MIB) socket.write(bytes);
      return isOver() || socket.destroyed;
    },
    { what: "the socket to be closed" },
  );
}

test("a client that sends pings and reads no pong is disconnected", async () => {
  const { socket, isClosed } = await open();
  const ping = frame(WHOLE | TEXT, JSON.stringify({ type: "ping", payload: { fill: "x".repeat(500) } }));
  await flood(socket, Buffer.concat(Array.from({ length: 500 }, () => ping)), isClosed);
});

test("clients that do not complete their messages are disconnected, those with the most first", async () => {
  const small = await open();
  small.socket.write(frame(WHOLE | TEXT, "x".repeat(1_000), 2_000));
  const large = await Promise.all(Array.from({ length: 12 }, open));
  for (const { socket } of large) socket.write(frame(WHOLE | TEXT, "x".repeat(200_000), 250_000));
  const closed = () => large.filter((one) => one.isClosed()).length;
  await waitFor(() => closed() >= 2, { what: "some to be closed" });
  expect(closed()).toBeLessThan(12);
  expect(small.isClosed()).toBe(false);
});

test("a message in very many fragments is refused", async () => {
  const { socket, isClosed } = await open();
  const parts = Array.from({ length: 100 }, (_, n) => frame(n === 0 ? TEXT : CONTINUED, "x"));
  socket.resume().write(Buffer.concat(parts));
  await waitFor(isClosed, { what: "the socket to be closed" });
});

test("a client's messages that were read at once are handled in several turns of the event loop, in order", async () => {
  const { socket } = await open();
  let inFirstTurn = 0;
  onFirstPing = () =>
    setImmediate(() => {
      inFirstTurn = pings.length;
    });
  const all = Array.from({ length: 1_000 }, (_, n) => n);
  socket.write(Buffer.concat(all.map((n) => frame(TEXT | WHOLE, JSON.stringify({ type: "ping", payload: { n } })))));
  await waitFor(() => pings.length === all.length, { what: "all of them" });
  expect(pings).toEqual(all);
  expect(inFirstTurn).toBeLessThanOrEqual(36);
});

test("of what has arrived on many sockets, little is parsed in one turn of the event loop", async () => {
  const clients = await Promise.all(Array.from({ length: 200 }, open));
  const block = Buffer.concat(Array.from({ length: 20 }, () => PING));
  for (const { socket } of clients) socket.resume().write(block);
  let most = 0;
  while (parsed < 200 * 20 && clients.every((one) => !one.isClosed())) {
    const before = parsed;
    await new Promise((resolve) => setImmediate(resolve));
    most = Math.max(most, parsed - before);
  }
  expect(parsed).toBe(200 * 20);
  // Those of two turns of theirs, if they do not begin with the ones here.
  expect(most).toBeLessThanOrEqual(72);
});

test("what a terminated socket has sent is not parsed", async () => {
  const { socket } = await open();
  let isOver = false;
  onParsed = (terminated) => {
    terminated.once("close", () => {
      isOver = true;
    });
    terminated.terminate();
  };
  socket.write(Buffer.concat(Array.from({ length: 1_000 }, () => PING)));
  await waitFor(() => isOver, { what: "the socket to be closed" });
  expect(parsed).toBe(1);
});

test("of what a client sends behind the close of its socket little is parsed, and it gets the code", async () => {
  const { socket, isClosed } = await open();
  const received: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => received.push(chunk));
  let isOver = false;
  onParsed = (served) => {
    served.once("close", () => {
      isOver = true;
    });
    served.close(4408, "Connection initialisation timeout");
  };
  const block = Buffer.concat(Array.from({ length: 1_000 }, () => PING));
  await waitFor(
    () => {
      if (socket.writableLength < MIB) socket.write(block);
      return isClosed();
    },
    { what: "a client that sends on to be cut off" },
  );
  await waitFor(() => isOver, { what: "the socket to be closed" });
  expect(parsed).toBeLessThanOrEqual(1 + 64);
  const sent = Buffer.concat(received);
  const closeAt = sent.indexOf(Buffer.from([0x88]));
  expect(sent.readUInt16BE(closeAt + 2)).toBe(4408);
  expect(sent.toString()).toContain("Connection initialisation timeout");
});

test("a client that still sends a little gets the code and the reason, answers them, and is answered nothing else", async () => {
  // Nobody is cut off here.
  const patient = (ms: number) => (ms === 1_000 ? 600_000 : ms);
  onTestFinished(
    replaceTime({ ...machineTime, after: (ms, run, options) => machineTime.after(patient(ms), run, options) }),
  );
  const closed: unknown[] = [];
  onOpened = (served) => {
    served.once("ping", () => served.close(4408, "late"));
    served.once("close", (code) => closed.push(code));
  };
  const client = new WebSocket(`ws://127.0.0.1:${port}/graphql`, "graphql-transport-ws");
  closers.push(() => client.terminate());
  client.once("close", (code, reason) => closed.push(code, String(reason)));
  await once(client, "open");
  client.ping();
  for (let n = 0; n < 10; n += 1) client.send(JSON.stringify({ type: "ping", payload: { n } }));
  await waitFor(() => closed.length === 3, { what: "both sides to be closed" });
  expect(closed.sort()).toEqual([4408, 4408, "late"]);
  expect(pings).toEqual([]);
});

test("a client that ends its side without a word and does not read is cut off", async () => {
  const served: WebSocket[] = [];
  onOpened = (one) => served.push(one);
  const { socket } = await open();
  socket.allowHalfOpen = true;
  socket.pause();
  // More than the systems of both sides take.
  served[0]?.send(Buffer.alloc(32 * MIB));
  socket.end();
  await waitFor(() => served[0]?.readyState === WebSocket.CLOSED, { what: "the socket to be closed" });
});

test("a client that sends is there, although its answer to a ping comes behind what it sends", async () => {
  let proofs = 0;
  onOpened = (served) => {
    served.on("pong", () => {
      proofs += 1;
    });
  };
  const { socket } = await open();
  // The beginning of a message that is never completed.
  socket.write(frame(WHOLE | TEXT, "{", MIB / 8));
  await waitFor(() => proofs > 0, { what: "the client to be taken for alive" });
});

test("a client without the subprotocol, whose socket the library closes at once, is cut off, too", async () => {
  const cuts: (() => void)[] = [];
  onTestFinished(
    replaceTime({
      ...machineTime,
      after(ms, run, options) {
        if (ms === 1_000) cuts.push(run);
        return machineTime.after(ms, run, options);
      },
    }),
  );
  const served: WebSocket[] = [];
  onOpened = (one) => served.push(one);
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  closers.push(() => socket.destroy());
  socket.resume().write(UPGRADE.replace(/sec-websocket-protocol.*?\r\n/, ""));
  await waitFor(() => served[0]?.readyState === WebSocket.CLOSING, { what: "the library's close" });
  expect(cuts).toHaveLength(1);
});
