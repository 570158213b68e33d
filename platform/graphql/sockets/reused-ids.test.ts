import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { GraphQLInt, GraphQLObjectType, GraphQLSchema } from "graphql";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { waitFor } from "../../../tests/servers/servers.js";
import { deferred } from "../../lifecycle/deferred.js";
import { serveGraphqlSocket } from "./socket.js";

/** A server whose operations wait until they are let go, and a client's socket to it. */
async function open() {
  const waiting: (() => void)[] = [];
  const turnOf = () => {
    const { promise, resolve } = deferred();
    waiting.push(resolve);
    return promise;
  };
  const sources = { begun: 0, open: 0 };
  const slow = {
    type: GraphQLInt,
    async resolve() {
      await turnOf();
      return 1;
    },
  };
  /** Ends at once when it is told to, also while it waits for its next number. */
  function subscribed(): AsyncIterableIterator<{ number: number }> {
    sources.begun += 1;
    sources.open += 1;
    const ended = deferred();
    let isFirst = true;
    return {
      async next() {
        if (isFirst) {
          isFirst = false;
          return { done: false, value: { number: 2 } };
        }
        await ended.promise;
        return { done: true, value: undefined };
      },
      async return() {
        sources.open -= 1;
        ended.resolve();
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }
  const number = { type: GraphQLInt, subscribe: subscribed };
  const late = {
    ...number,
    async subscribe() {
      await turnOf();
      return subscribed();
    },
  };
  const schema = new GraphQLSchema({
    query: new GraphQLObjectType({ name: "Query", fields: { slow, fast: { type: GraphQLInt, resolve: () => 3 } } }),
    mutation: new GraphQLObjectType({ name: "Mutation", fields: { slow } }),
    subscription: new GraphQLObjectType({ name: "Subscription", fields: { number, late } }),
  });
  const http = createServer();
  const sockets = serveGraphqlSocket({
    ...{ path: "/graphql", maxMessageBytes: 1 << 18, protocol: { schema } },
    logger: pino({ level: "silent" }),
  });
  http.on("upgrade", sockets.handleUpgrade);
  await once(http.listen(0, "127.0.0.1"), "listening");
  const { port } = http.address() as AddressInfo;
  const client = new WebSocket(`ws://127.0.0.1:${port}/graphql`, "graphql-transport-ws");
  onTestFinished(async () => {
    client.terminate();
    await sockets.stop();
    http.close();
  });
  const got: object[] = [];
  client.on("message", (data) => got.push(JSON.parse(String(data))));
  await once(client, "open");
  const send = (message: object) => client.send(JSON.stringify(message));
  send({ type: "connection_init" });
  await waitFor(() => got.length === 1, { what: "the acknowledgement" });
  got.length = 0;
  return {
    got,
    sources,
    client,
    begun: () => waiting.length,
    letGo() {
      for (const go of waiting.splice(0)) go();
    },
    subscribe: (query: string) => send({ id: "1", type: "subscribe", payload: { query } }),
    complete: () => send({ id: "1", type: "complete" }),
    /** Until all that was sent before is handled, and what it led to at once. */
    async handled() {
      const before = got.length;
      send({ type: "ping" });
      await waitFor(() => got.slice(before).some((message) => "type" in message && message.type === "pong"), {
        what: "the answer to a ping",
      });
      got.splice(
        got.findIndex((message) => "type" in message && message.type === "pong"),
        1,
      );
    },
  };
}

const next = (data: object) => ({ id: "1", type: "next", payload: { data } });
const end = { id: "1", type: "complete" };

test.each(["{ slow }", "mutation { slow }", "subscription { late }"])(
  "%s that was completed leaves the next operation of its id alone",
  async (first) => {
    const { got, sources, begun, letGo, subscribe, complete, handled, client } = await open();
    subscribe(first);
    await waitFor(() => begun() === 1, { what: "the operation's turn" });
    complete();
    subscribe("subscription { number }");
    await waitFor(() => got.length === 1, { what: "its first result" });
    letGo();
    await handled();
    await handled();
    expect(got).toEqual([next({ number: 2 })]);
    expect(sources.open).toBe(1);
    complete();
    await waitFor(() => sources.open === 0, { what: "the source's end" });
    subscribe("{ fast }");
    await waitFor(() => got.length === 3, { what: "the last result" });
    expect(got.slice(1)).toEqual([next({ fast: 3 }), end]);
    client.terminate();
  },
);

test("the source of each operation of an id ends with it, and all end with the socket", async () => {
  const { got, sources, subscribe, complete, client } = await open();
  for (let n = 1; n <= 5; n += 1) {
    subscribe("subscription { number }");
    await waitFor(() => got.length === n, { what: "the message" });
    if (n < 5) complete();
  }
  await waitFor(() => sources.open === 1, { what: "the source" });
  client.terminate();
  await waitFor(() => sources.open === 0, { what: "the sources' end" });
  expect(got).toEqual(Array.from({ length: 5 }, () => next({ number: 2 })));
});

test("an id is free after an error, and taken while its operation runs", async () => {
  const { got, begun, subscribe, client } = await open();
  subscribe("{ none }");
  await waitFor(() => got.length === 1, { what: "the error" });
  expect(got).toMatchObject([{ id: "1", type: "error" }]);
  subscribe("{ slow }");
  await waitFor(() => begun() === 1, { what: "the operation's turn" });
  const closed = once(client, "close");
  subscribe("{ fast }");
  expect((await closed)[0]).toBe(4409);
});
