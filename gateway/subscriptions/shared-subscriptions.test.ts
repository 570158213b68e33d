import fc from "fast-check";
import type { ExecutionResult } from "graphql";
import { type ExecutionArgs, GraphQLError, parse, print } from "graphql";
import { expect, test } from "vitest";
import { runs } from "../../tests/support/effort.js";
import { eventSource } from "../../tests/systems/gateway/event-source.js";
import { resumableFields } from "../subgraphs/resumable.js";
import { createSharedSubscriptions, isSharedOperation } from "./shared-subscriptions.js";

const SDL = `
  scalar Cursor
  type Query { ready: Boolean }
  type Alert { cursor: Cursor! n: Int! }
  type Subscription { alerts(after: Cursor): Alert! ticks: Int! }
`;
const QUERY = "subscription ($after: Cursor) { alerts(after: $after) { n } }";
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Executions over a list of numbers, as a subgraph's would be, and what was asked for and encoded. */
function world() {
  const source = eventSource<number>();
  const seen = { executions: 0, encoded: 0, published: 0 };
  const gate = { sendable: (): Promise<void> | undefined => undefined };
  const shared = createSharedSubscriptions({
    fields: resumableFields(SDL),
    sendable: () => gate.sendable(),
    encode(result) {
      seen.encoded += 1;
      return Buffer.from(JSON.stringify(result));
    },
    async subscribe({ document, variableValues }: ExecutionArgs) {
      seen.executions += 1;
      await turn();
      const after = variableValues?.metrlySharedAfter;
      if (after === "refused") return { errors: [new GraphQLError("no")] };
      const events = source.open(() => true, typeof after === "string" ? Number(after) : undefined);
      expect(print(document)).toContain("metrlySharedCursor: cursor");
      return {
        async next() {
          const { done, value } = await events.next();
          if (done === true) return { done, value: undefined };
          const alerts = { n: value.event, metrlySharedCursor: String(value.position) };
          return { done: false, value: { data: { alerts } } };
        },
        return: async () => {
          await events.return?.();
          return { done: true, value: undefined };
        },
        async throw(error: unknown) {
          throw error;
        },
        [Symbol.asyncIterator]() {
          return this;
        },
        [Symbol.asyncDispose]: async () => undefined,
      };
    },
  });
  return {
    ...{ shared, seen, source, gate },
    publish() {
      seen.published += 1;
      source.publish(seen.published);
    },
    /** A client from a position, or from now on. */
    async follow(after?: number | "refused", identity = "reader") {
      const result = await shared.subscribe({
        ...{
          schema: undefined as never,
          document: parse(QUERY),
          variableValues: { after: after === undefined ? null : String(after) },
        },
        contextValue: { identity: { id: identity } },
      });
      if (!isSharedOperation(result))
        return { refused: result as ExecutionResult, got: [], texts: [], leave: async () => undefined };
      const texts: string[] = [];
      result.attach({ send: (payload) => texts.push(payload.toString()), ready: () => undefined });
      return {
        texts,
        get got(): number[] {
          return texts.map((text) => JSON.parse(text).data.alerts.n);
        },
        leave: async () => void (await result.return?.()),
      };
    },
  };
}

test("clients that start from now on share one execution, and each result is encoded once", async () => {
  const { follow, publish, seen, shared, source } = world();
  const clients = await Promise.all(Array.from({ length: 50 }, () => follow()));
  for (let n = 0; n < 3; n += 1) publish();
  for (let n = 0; n < 20; n += 1) await turn();
  for (const client of clients) expect(client.got).toEqual([1, 2, 3]);
  expect(clients[0]?.texts[0]).toBe('{"data":{"alerts":{"n":1}}}');
  expect(seen).toMatchObject({ executions: 1, encoded: 3 });
  for (const client of clients.slice(1)) await client.leave();
  expect(shared.size()).toEqual({ groups: 1, followers: 1 });
  expect(source.openCount).toBe(1);
  await clients[0]?.leave();
  expect(shared.size()).toEqual({ groups: 0, followers: 0 });
  expect(source.openCount).toBe(0);
});

test("a result goes to thousands of clients in several turns, and each gets all results in order", async () => {
  const { follow, publish } = world();
  const clients = await Promise.all(Array.from({ length: 2_500 }, () => follow()));
  publish();
  publish();
  const received = () => clients.reduce((sum, { texts }) => sum + texts.length, 0);
  let most = 0;
  while (received() < 5_000) {
    const before = received();
    await turn();
    most = Math.max(most, received() - before);
  }
  expect(most).toBeLessThanOrEqual(2_000);
  for (const { got } of clients) expect(got).toEqual([1, 2]);
});

test("results wait until they may be sent, and who has gone by then gets none", async () => {
  const { follow, publish, gate } = world();
  publish();
  const [live, resumed, gone] = [await follow(), await follow(0), await follow()];
  for (let n = 0; n < 10; n += 1) await turn();
  expect(resumed.got).toEqual([1]);
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  gate.sendable = () => opened;
  publish();
  publish();
  for (let n = 0; n < 10; n += 1) await turn();
  expect([live.got, resumed.got, gone.got]).toEqual([[], [1], []]);
  await gone.leave();
  open();
  for (let n = 0; n < 20; n += 1) await turn();
  expect([live.got, resumed.got, gone.got]).toEqual([[2, 3], [1, 2, 3], []]);
});

test("another identity has a separate execution", async () => {
  const { follow, publish, seen } = world();
  const [one, other] = [await follow(undefined, "one"), await follow(undefined, "other")];
  publish();
  for (let n = 0; n < 10; n += 1) await turn();
  expect([one.got, other.got]).toEqual([[1], [1]]);
  expect(seen.executions).toBe(2);
});

test("a refusal reaches each client, and leaves nothing behind", async () => {
  const { follow, shared } = world();
  const clients = await Promise.all([follow("refused"), follow("refused")]);
  for (const client of clients) expect(client.refused?.errors?.[0]?.message).toBe("no");
  expect(shared.size()).toEqual({ groups: 0, followers: 0 });
});

test("clients that resume at a position share again once they have caught up", async () => {
  const { follow, publish, seen, source } = world();
  for (let n = 0; n < 10; n += 1) publish();
  const clients = await Promise.all([2, 2, 5, 10, 10].map((after) => follow(after)));
  for (let n = 0; n < 40; n += 1) await turn();
  publish();
  for (let n = 0; n < 40; n += 1) await turn();
  expect(source.openCount).toBe(1);
  const before = seen.encoded;
  publish();
  for (let n = 0; n < 20; n += 1) await turn();
  expect(seen.encoded).toBe(before + 1);
  const range = (from: number) => Array.from({ length: 12 - from }, (_, n) => from + n + 1);
  expect(clients.map(({ got }) => got)).toEqual([2, 2, 5, 10, 10].map(range));
});

test("clients that join, leave or catch up under load miss and repeat no event", async () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.constant({ kind: "publish" as const }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("follow" as const), back: fc.option(fc.nat(6)) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("leave" as const), which: fc.nat(20) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("turns" as const), count: fc.integer({ min: 1, max: 6 }) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
      const { follow, publish, seen, shared, source } = world();
      const clients: { after: number | undefined; client: ReturnType<typeof follow> }[] = [];
      const left = new Set<number>();
      for (const each of steps) {
        if (each.kind === "publish") publish();
        else if (each.kind === "turns") for (let n = 0; n < each.count; n += 1) await turn();
        else if (each.kind === "follow") {
          const after = each.back === null ? undefined : Math.max(0, seen.published - each.back);
          clients.push({ after, client: follow(after) });
        } else if (clients.length > 0) {
          const which = each.which % clients.length;
          left.add(which);
          await (await clients[which]?.client)?.leave();
        }
      }
      await Promise.all(clients.map(({ client }) => client));
      publish();
      for (let n = 0; n < 60; n += 1) await turn();
      for (const [index, { after, client }] of clients.entries()) {
        const { got } = await client;
        const first = got[0] ?? seen.published + 1;
        if (after !== undefined && got.length > 0) expect(first).toBe(after + 1);
        expect(got).toEqual(Array.from({ length: got.length }, (_, n) => first + n));
        if (!left.has(index)) expect(got.at(-1)).toBe(seen.published);
      }
      for (const { client } of clients) await (await client).leave();
      expect(shared.size()).toEqual({ groups: 0, followers: 0 });
      for (let n = 0; n < 10; n += 1) await turn();
      expect(source.openCount).toBe(0);
    }),
    { numRuns: runs(300) },
  );
});
