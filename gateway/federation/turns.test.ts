import { type ExecutionArgs, GraphQLSchema, parse } from "graphql";
import { expect, test } from "vitest";
import type { GatewayContext } from "../operations/operation.js";
import { inTurns } from "./turns.js";

const settled = () => new Promise((resolve) => setImmediate(resolve));

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
  const run = (tenantId: string) => {
    const identity: GatewayContext["identity"] = { kind: "API_KEY", id: "key", tenantId, roles: [], scopes: [] };
    const args = { schema: federation.schema, document: parse("{ a }"), contextValue: { identity } };
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
  ends[0]?.();
  await asked[0];
  expect(await Promise.race([run("loud"), settled()])).toBeUndefined();
});
