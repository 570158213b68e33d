import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { waitFor } from "../../tests/servers/servers.js";
import { openRemoteSocket, type RemoteSocket, reasonText } from "./remote-socket.js";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0).reverse()) close();
});

/** A peer that speaks the protocol by hand, so that it can speak it badly. */
async function peer(onMessage: (socket: WebSocket, message: { type: string; id?: string }) => void): Promise<string> {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  server.on("connection", (socket) => {
    socket.on("message", (data) => onMessage(socket, JSON.parse(String(data))));
  });
  await new Promise<void>((resolve) => server.once("listening", resolve));
  closers.push(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function open(url: string, pingMs?: number): RemoteSocket {
  const socket = openRemoteSocket(url, pingMs);
  closers.push(() => socket.stop());
  return socket;
}

function operation(socket: RemoteSocket) {
  const received: string[] = [];
  const leave = socket.subscribe(
    { query: "subscription { ticks }" },
    {
      next: (payload) => received.push(JSON.stringify(payload)),
      error: (reason) => received.push(reasonText(reason)),
      complete: () => received.push("complete"),
    },
  );
  return { received, leave };
}

const acknowledge = (socket: WebSocket) => socket.send('{"type":"connection_ack"}');

test("a closed socket ends its operations with a reason and retries nothing", async () => {
  let subscribed = 0;
  const url = await peer((socket, { type, id }) => {
    if (type === "connection_init") acknowledge(socket);
    if (type !== "subscribe") return;
    subscribed += 1;
    socket.send(JSON.stringify({ id, type: "next", payload: { data: { ticks: 1 } } }));
    if (subscribed === 2) socket.close(1000, "Normal Closure");
  });
  const socket = open(url);
  const [first, second] = [operation(socket), operation(socket)];
  await waitFor(() => first.received.length === 2 && second.received.length === 2, { what: "both ends" });
  const received = ['{"data":{"ticks":1}}', "its socket closed (1000 Normal Closure)"];
  expect([first.received, second.received]).toEqual([received, received]);
  const third = operation(socket);
  await waitFor(() => third.received.length === 1, { what: "an operation on a new socket" });
  expect(subscribed).toBe(3);
});

test("a peer that stops answering is noticed", async () => {
  const url = await peer((socket, { type, id }) => {
    if (type === "connection_init") acknowledge(socket);
    if (type === "subscribe") socket.send(JSON.stringify({ id, type: "next", payload: { data: { ticks: 1 } } }));
  });
  const { received } = operation(open(url, 50));
  await waitFor(() => received.at(-1)?.includes("socket"), { what: "the end" });
  expect(received.at(-1)).toBe("its socket closed (1006)");
});

test("a peer that answers pings keeps its socket", async () => {
  let pings = 0;
  const url = await peer((socket, { type }) => {
    if (type === "connection_init") acknowledge(socket);
    if (type !== "ping") return;
    pings += 1;
    socket.send('{"type":"pong"}');
  });
  const { received } = operation(open(url, 500));
  await waitFor(() => pings >= 3, { what: "three pings" });
  expect(received).toEqual([]);
});

test("an unreachable peer is reported in words", async () => {
  const { received } = operation(open("http://127.0.0.1:1"));
  await waitFor(() => received.length === 1, { what: "the end" });
  expect(received[0]).toContain("ECONNREFUSED");
});

test("a client that left gets nothing more, and others continue", async () => {
  const left: string[] = [];
  const url = await peer((socket, { type, id }) => {
    if (type === "connection_init") acknowledge(socket);
    if (type === "complete") {
      left.push(String(id));
      socket.send(JSON.stringify({ id, type: "next", payload: { data: { ticks: 2 } } }));
    }
    if (type === "subscribe") socket.send(JSON.stringify({ id, type: "next", payload: { data: { ticks: 1 } } }));
  });
  const socket = open(url);
  const [leaving, staying] = [operation(socket), operation(socket)];
  await waitFor(() => leaving.received.length + staying.received.length === 2, { what: "both to run" });
  leaving.leave();
  await waitFor(() => left.length === 1, { what: "the peer to hear of it" });
  expect([leaving.received, staying.received]).toEqual([['{"data":{"ticks":1}}'], ['{"data":{"ticks":1}}']]);
});
