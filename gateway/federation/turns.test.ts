import { type ExecutionArgs, GraphQLSchema, parse } from "graphql";
import { expect, onTestFinished, test } from "vitest";
import { machineTime, replaceTime } from "#platform/lifecycle/time.js";
import type { GatewayContext } from "../operations/operation.js";
import { inTurns } from "./turns.js";

const turn = () => new Promise((resolve) => setImmediate(resolve));
const settled = async () => {
  for (let n = 0; n < 64 * 20; n += 1) await turn();
};

/** A federation whose operations end when told; `run` starts one of a tenant. */
function world() {
  const started: string[] = [];
  const ends: (() => void)[] = [];
  const federation = inTurns({
    schema: new GraphQLSchema({}),
    execute: ({ contextValue }) => {
      started.push((contextValue as GatewayContext).identity.tenantId ?? "");
      return new Promise((resolve) => ends.push(() => resolve({ data: {} })));
    },
    subscribe: () => Promise.reject(new Error("not asked")),
  });
  const run = (tenantId: string, variableValues?: Record<string, unknown>, text = "{ a }") => {
    const identity: GatewayContext["identity"] = { kind: "API_KEY", id: "key", tenantId, roles: [], scopes: [] };
    const args = { schema: federation.schema, document: parse(text), variableValues, contextValue: { identity } };
    return federation.execute(args satisfies ExecutionArgs);
  };
  return { run, started, ends };
}

test("a tenant with fifty times as many operations delays another's by none of them", async () => {
  const { run, started } = world();
  for (let n = 0; n < 400; n += 1) void run("loud");
  for (let n = 0; n < 8; n += 1) void run("quiet");
  await settled();
  expect(started.filter((tenant) => tenant === "quiet")).toHaveLength(8);
  expect(started.filter((tenant) => tenant === "loud")).toHaveLength(8);
});

test("when all turns are taken, each caller that waits gets one in turn", async () => {
  const { run, started, ends } = world();
  for (const tenant of "abcdefgh") for (let n = 0; n < 20; n += 1) void run(tenant);
  void run("quiet");
  await settled();
  expect(started).toHaveLength(64);
  for (const end of ends.slice(0, 9)) end();
  await settled();
  expect(started.slice(64)).toContain("quiet");
});

test("what exceeds a caller's line is refused as BUSY, and an ended operation makes room", async () => {
  const { run, ends } = world();
  const asked = Array.from({ length: 209 }, () => run("loud"));
  expect(await asked.at(-1)).toMatchObject({ errors: [{ extensions: { code: "BUSY" } }] });
  await settled();
  ends[0]?.();
  await asked[0];
  expect(await Promise.race([run("loud"), settled()])).toBeUndefined();
});

test("what waits is bounded by its memory, of one caller and of all, whatever it is made of", async () => {
  const { run } = world();
  const many = { list: Array.from({ length: 20_000 }, () => ({})) };
  const long = { text: "x".repeat(1_000_000) };
  const text = `{ ${"a ".repeat(1_990)} }`;
  const refusedOf = async (tenant: string, ask: () => ReturnType<typeof run>): Promise<number> => {
    // The first ones run, and wait for nothing.
    const asked = Array.from({ length: 100 }, ask);
    const over = settled();
    const seen = await Promise.all(asked.map((one) => Promise.race([one, over])));
    const refused = seen.filter((answer) => answer !== undefined);
    for (const answer of refused) expect(answer, tenant).toMatchObject({ errors: [{ extensions: { code: "BUSY" } }] });
    return refused.length;
  };
  expect(await refusedOf("many objects", () => run("many objects", many))).toBe(100 - 8 - 11);
  expect(await refusedOf("long texts", () => run("long texts", long))).toBe(100 - 8 - 8);
  expect(await refusedOf("many tokens", () => run("many tokens", {}, text))).toBe(100 - 8 - 27);
  expect(await refusedOf("a neighbour", () => run("a neighbour"))).toBe(0);
  for (const tenant of ["x", "y"]) await refusedOf(tenant, () => run(tenant, long));
  expect(await refusedOf("z", () => run("z", long))).toBeGreaterThan(100 - 8 - 8);
  expect(await refusedOf("a small one", () => run("a small one", {}))).toBe(0);
});

test("operations that wait for nothing leave the event loop to others, with turns in which connections are accepted", async () => {
  let [ended, clock] = [0, 0];
  onTestFinished(replaceTime({ ...machineTime, monotonicMs: () => clock }));
  const federation = inTurns({
    schema: new GraphQLSchema({}),
    execute: async () => {
      ended += 1;
      clock += 5;
      return { data: {} };
    },
    subscribe: () => Promise.reject(new Error("not asked")),
  });
  const identity: GatewayContext["identity"] = { kind: "API_KEY", id: "key", tenantId: "t", roles: [], scopes: [] };
  const args = { schema: federation.schema, document: parse("{ a }"), contextValue: { identity } };
  const all = Promise.all(Array.from({ length: 200 }, () => federation.execute(args)));
  let [turns, most] = [0, 0];
  for (let before = 0; ended < 200; before = ended) {
    await turn();
    turns += 1;
    most = Math.max(most, ended - before);
  }
  await all;
  expect(most).toBeLessThanOrEqual(2);
  expect(turns).toBeGreaterThan(10 * 190);
});
