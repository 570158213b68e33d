import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { waitFor } from "../../tests/servers/servers.js";
import { type GatewayWorld, startGatewayWorld } from "../../tests/systems/gateway/world.js";

let world: GatewayWorld;
beforeAll(async () => {
  world = await startGatewayWorld();
});
afterAll(() => world.stop());

const QUERY = 'subscription ($after: Cursor) { quotaAlerts(tenantId: "acme", after: $after) { cursor used seenBy } }';
const EVENTS = 2_000;

/** A client that speaks the protocol by hand, so that it can stop reading. */
function connect(token: string, after: string | null) {
  const got: { cursor: string; used: number }[] = [];
  const socket = new WebSocket(`${world.url.replace("http", "ws")}/graphql`, "graphql-transport-ws");
  const state = { got, socket, closed: undefined as number | undefined };
  socket.on("open", () =>
    socket.send(JSON.stringify({ type: "connection_init", payload: { authorization: `Bearer ${token}` } })),
  );
  socket.on("message", (data) => {
    const { type, payload } = JSON.parse(String(data));
    if (type === "connection_ack")
      socket.send(JSON.stringify({ id: "1", type: "subscribe", payload: { query: QUERY, variables: { after } } }));
    if (type === "next") got.push(payload.data.quotaAlerts);
  });
  socket.on("close", (code) => {
    state.closed = code;
  });
  return state;
}

test("a slow reader is disconnected with a code, others miss nothing, and it resumes at its cursor", async () => {
  // What each event says of its reader makes it large.
  const token = world.issueKey("x".repeat(8_000), ["READ"], "acme");
  const [slow, quick] = [connect(token, null), connect(token, null)];
  const publish = (used: number) => world.alerts.publish({ tenantId: "acme", used });
  await waitFor(() => slow.socket.readyState === WebSocket.OPEN && world.alerts.openCount === 1, {
    what: "the stream",
  });
  await waitFor(
    () => {
      publish(0);
      return slow.got.length > 0 && quick.got.length > 0;
    },
    { what: "both to follow" },
  );
  slow.socket.pause();
  for (let used = 1; used <= EVENTS; used += 1) {
    publish(used);
    if (used % 50 === 0) await waitFor(() => quick.got.at(-1)?.used === used, { what: "the quick reader" });
  }
  slow.socket.resume();
  await waitFor(() => slow.closed, { what: "the slow reader's end" });
  expect([1013, 1006]).toContain(slow.closed);
  const last = slow.got.at(-1);
  expect(last?.used).toBeLessThan(EVENTS);
  const again = connect(token, last?.cursor ?? null);
  await waitFor(() => again.got.at(-1)?.used === EVENTS, { what: "the rest" });
  const used = [...slow.got, ...again.got].map((alert) => alert.used).filter((n) => n > 0);
  expect(used).toEqual(Array.from({ length: EVENTS }, (_, n) => n + 1));
  for (const { socket } of [quick, again]) socket.terminate();
});
