import { IncomingMessage, ServerResponse } from "node:http";
import { connect, Socket } from "node:net";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { machineTime, replaceTime } from "#platform/lifecycle/time.js";
import { inRequestTurns } from "./request-turns.js";
import { createHttpServer, portOf } from "./server.js";

const REQUEST_MS = 1;
/** In four milliseconds. */
const PER_TURN = 4;
let clock = 0;
let restore = (): void => undefined;
beforeEach(() => {
  restore = replaceTime({ ...machineTime, monotonicMs: () => clock });
});
afterEach(() => restore());
/** A request takes that long to begin. */
const work = (): void => {
  clock += REQUEST_MS;
};
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Takes all that is written. */
class Sink extends Socket {
  override _write(_: unknown, __: unknown, done: () => void): void {
    done();
  }
}

/** Requests without a network; `begun` has the names of connections in the order in which their requests began. */
function world(waiting?: { readonly shared: number; readonly max: number }) {
  const begun: string[] = [];
  const names = new WeakMap<Socket, string>();
  const addresses = new WeakMap<Socket, string>();
  function answer({ socket }: IncomingMessage): void {
    begun.push(names.get(socket) ?? "");
    work();
  }
  const addressOf = ({ socket }: IncomingMessage): string => addresses.get(socket) ?? "";
  const handle = inRequestTurns(answer, { addressOf, ...(waiting && { waiting }) });
  const connection = (address: string, name = address) => {
    const socket = new Sink();
    names.set(socket, name);
    addresses.set(socket, address);
    let isBusy = false;
    return {
      socket,
      send(count: number) {
        for (let n = 0; n < count; n += 1) {
          const request = new IncomingMessage(socket);
          const response = new ServerResponse(request);
          // As node:http does with one that is behind no other.
          if (!isBusy) response.assignSocket(socket);
          isBusy = true;
          handle(request, response);
        }
      },
    };
  };
  return { begun, connection };
}

test("of all that clients have pipelined, few requests begin in a turn of the event loop", async () => {
  let begun = 0;
  const app = createHttpServer(pino({ level: "silent" }));
  app.get("/", async () => {
    begun += 1;
    work();
    return {};
  });
  await app.listen({ host: "127.0.0.1", port: 0 });
  const sockets = Array.from({ length: 10 }, () => {
    const socket = connect(portOf(app.server), "127.0.0.1");
    socket.on("error", () => undefined).resume();
    socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n".repeat(100));
    return socket;
  });
  let most = 0;
  for (let before = begun; begun < 1_000; before = begun) {
    await turn();
    most = Math.max(most, begun - before);
  }
  // Between two visits here lie the ends of at most two turns.
  expect(most).toBeLessThanOrEqual(2 * PER_TURN);
  for (const socket of sockets) socket.destroy();
  await app.close();
});

test("another address's request begins in the next turn, whatever the first has pipelined", async () => {
  const { begun, connection } = world();
  for (let n = 0; n < 200; n += 1) connection("loud").send(30);
  connection("quiet").send(1);
  expect(begun).toHaveLength(PER_TURN);
  await turn();
  expect(begun).toContain("quiet");
});

test("a new connection of the same address, a proxy's, waits for none of the requests that others have pipelined", async () => {
  const { begun, connection } = world();
  for (let n = 0; n < 200; n += 1) connection("proxy", "loud").send(30);
  // The first of each connection, and as many others.
  for (let n = 0; n < 100; n += 1) await turn();
  connection("proxy", "quiet").send(1);
  await turn();
  expect(begun).toContain("quiet");
});

test("connections of an address take turns", async () => {
  const { begun, connection } = world();
  connection("proxy", "loud").send(100);
  connection("proxy", "quiet").send(2);
  for (let n = 0; n < 3; n += 1) await turn();
  expect(begun.filter((name) => name === "quiet")).toHaveLength(2);
});

test("each request begins once, in its connection's order, except of clients that have gone", async () => {
  const { begun, connection } = world();
  const [gone, left] = [connection("a", "gone"), connection("a", "left")];
  gone.send(50);
  left.send(50);
  gone.socket.destroy();
  for (let n = 0; n < 100; n += 1) await turn();
  expect(begun.filter((name) => name === "gone")).toHaveLength(PER_TURN);
  expect(begun.filter((name) => name === "left")).toHaveLength(50);
});

test("a pipelined request does not begin before the one in front of it", async () => {
  const order: IncomingMessage[] = [];
  const handle = inRequestTurns(
    (request) => {
      order.push(request);
      work();
    },
    { addressOf: () => "proxy" },
  );
  const requestOn = (socket: Socket, isFirst: boolean): IncomingMessage => {
    const request = new IncomingMessage(socket);
    const response = new ServerResponse(request);
    if (isFirst) response.assignSocket(socket);
    handle(request, response);
    return request;
  };
  // Many are in front of the first one, in the line of first requests, and none in the other.
  for (let n = 0; n < 50; n += 1) requestOn(new Sink(), true);
  const socket = new Sink();
  const sent = [requestOn(socket, true), ...Array.from({ length: 9 }, () => requestOn(socket, false))];
  for (let n = 0; n < 50; n += 1) await turn();
  expect(order).toHaveLength(60);
  const begun = order.filter((one) => one.socket === socket);
  expect(begun.map((one) => sent.indexOf(one))).toEqual([...sent.keys()]);
});

test("what waits is bounded by its memory, and an address with more than its share is refused first", async () => {
  const { begun, connection } = world({ shared: 100 * 4_096, max: 150 * 4_096 });
  const loud = Array.from({ length: 50 }, () => connection("loud"));
  for (const { send } of loud) send(4);
  const isRefused = ({ socket }: { readonly socket: Socket }) => socket.writableEnded;
  expect(loud.filter(isRefused).length).toBeGreaterThanOrEqual(20);
  const quiet = Array.from({ length: 40 }, () => connection("quiet"));
  for (const { send } of quiet) send(1);
  expect(quiet.filter(isRefused)).toEqual([]);
  for (let n = 0; n < 100; n += 1) await turn();
  expect(begun.filter((name) => name === "quiet")).toHaveLength(40);
  // All has been given back.
  const later = Array.from({ length: 50 }, () => connection("loud"));
  for (const { send } of later) send(2);
  expect(later.filter(isRefused)).toEqual([]);
});
