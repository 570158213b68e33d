import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import { waitFor } from "../../../tests/servers/servers.js";
import { createMessageTurns, type MessageTurns } from "./message-turns.js";

const [CLOSING, CLOSED] = [2, 3];

/** The socket of a sender, and what was handled. */
function openSocket(turns: MessageTurns, handled: string[], name: string, isKnown = true) {
  const socket = Object.assign(new EventEmitter(), {
    ...{ OPEN: 1, readyState: 1, waitingMessages: 0, held: 0 },
    holdMessage(bytes: number) {
      socket.held += bytes;
      socket.waitingMessages += 1;
    },
    releaseMessage(bytes: number) {
      socket.held -= bytes;
      socket.waitingMessages -= 1;
    },
    parseInTurns: () => undefined,
    terminate() {
      socket.readyState = CLOSED;
    },
  });
  turns.serve(
    socket as unknown as Parameters<MessageTurns["serve"]>[0],
    () => ({ name, isKnown }),
    (data) => handled.push(String(data)),
  );
  return { socket, send: (text: string) => socket.emit("message", Buffer.from(text), false) };
}

test("messages that arrive at once are handled in several turns, in order", async () => {
  const handled: string[] = [];
  const { socket, send } = openSocket(createMessageTurns(), handled, "a");
  const all = Array.from({ length: 500 }, (_, n) => String(n));
  for (const text of all) send(text);
  expect(handled.length).toBeLessThan(10);
  expect(socket.waitingMessages).toBeGreaterThan(400);
  let most = 0;
  while (handled.length < all.length) {
    const before = handled.length;
    await new Promise((resolve) => setImmediate(resolve));
    most = Math.max(most, handled.length - before);
  }
  expect(handled).toEqual(all);
  expect(most).toBeLessThanOrEqual(64);
  expect(socket.held).toBe(0);
});

test("a sender's thousand messages do not delay another's, nor those of its quiet socket", async () => {
  const turns = createMessageTurns();
  const handled: string[] = [];
  for (const n of [1, 2]) {
    const { send } = openSocket(turns, handled, "flood");
    for (let message = 0; message < 500; message += 1) send(`flood ${n}`);
  }
  openSocket(turns, handled, "flood").send("flood's quiet one");
  openSocket(turns, handled, "neighbour").send("neighbour");
  await waitFor(() => handled.length === 1_002, { what: "all messages" });
  expect(handled.indexOf("neighbour")).toBeLessThan(30);
  expect(handled.indexOf("flood's quiet one")).toBeLessThan(60);
});

test("a client that introduces itself does not wait behind known ones", async () => {
  const turns = createMessageTurns();
  const handled: string[] = [];
  for (let sender = 0; sender < 100; sender += 1) {
    const { send } = openSocket(turns, handled, `tenant ${sender}`);
    for (let message = 0; message < 10; message += 1) send("known");
  }
  openSocket(turns, handled, "address", false).send("newcomer");
  expect(handled).toContain("newcomer");
  await waitFor(() => handled.length === 1_001, { what: "all messages" });
});

test.each([CLOSING, CLOSED])("messages of a socket in state %i are dropped", async (state) => {
  const turns = createMessageTurns();
  const handled: string[] = [];
  const { socket, send } = openSocket(turns, handled, "a");
  for (let n = 0; n < 100; n += 1) send(String(n));
  socket.readyState = state;
  await waitFor(() => socket.waitingMessages === 0, { what: "its messages to be taken" });
  const before = handled.length;
  expect(before).toBeLessThan(10);
  send("late");
  expect(handled).toHaveLength(before);
});

test("a client that sends much before it introduces itself is disconnected", async () => {
  const turns = createMessageTurns();
  const handled: string[] = [];
  const { socket, send } = openSocket(turns, handled, "address", false);
  for (let n = 0; n < 15; n += 1) send("ping");
  expect(socket.readyState).not.toBe(CLOSED);
  for (let n = 0; n < 15; n += 1) send("ping");
  expect(socket.readyState).toBe(CLOSED);
  await waitFor(() => socket.waitingMessages === 0, { what: "its messages to be taken" });
  expect(handled.length).toBeLessThan(16);
});

test("so is one whose messages are handled as they arrive", async () => {
  const { socket, send } = openSocket(createMessageTurns(), [], "address", false);
  for (let n = 0; n < 17; n += 1) {
    expect(socket.readyState).not.toBe(CLOSED);
    send("ping");
    await waitFor(() => socket.waitingMessages === 0, { what: "the message to be taken" });
  }
  expect(socket.readyState).toBe(CLOSED);
});
