import { makeExecutableSchema } from "@graphql-tools/schema";
import { parse } from "graphql";
import { expect, test } from "vitest";
import { deferred } from "#platform/lifecycle/deferred.js";
import { nextTurn } from "#platform/lifecycle/time.js";
import type { Identity } from "#schema/policy.js";
import { afterExecution } from "./after-execution.js";
import { batched } from "./batched.js";
import { createGraphqlExecution } from "./execution.js";
import type { SubgraphContext } from "./subgraph.js";

const identity: Identity = { kind: "USER", id: "root", tenantId: null, roles: [], scopes: [] };
const OUTER_AND_INNER = "{ fails outer { inner } }";

/** Two reads, the second for what the first brought, beside a field that fails; each ends when the test says so. */
function operation() {
  const context: SubgraphContext = { identity };
  const [outer, inner] = [heldRead(), heldRead()];
  const end = deferred();
  let ended = 0;
  const run = createGraphqlExecution(
    makeExecutableSchema({
      typeDefs: "type Query { fails: Int! outer: Outer } type Outer { inner: Int }",
      resolvers: {
        Query: {
          fails: async () => {
            throw new Error("failed");
          },
          outer: () => {
            afterExecution(context, () => {
              ended += 1;
              end.resolve();
            });
            return outer.read(context, 1);
          },
        },
        Outer: { inner: () => inner.read(context, 1) },
      },
    }),
  );
  const execution = (source: string) => run({ document: parse(source), variables: {}, context });
  return { execution, outer, inner, end: end.promise, ended: () => ended };
}

function heldRead() {
  const [begun, held] = [deferred(), deferred()];
  const read = batched(async (keys: readonly number[]) => {
    begun.resolve();
    await held.promise;
    return keys;
  });
  return { read, begun: begun.promise, end: () => held.resolve(), fail: held.reject };
}

async function laterTurns(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise<void>(nextTurn);
}

test("an execution that a failing field ended goes on while its reads do", async () => {
  const { execution, outer, inner, end, ended } = operation();
  expect(await execution(OUTER_AND_INNER)).toMatchObject({ data: null, errors: [{ message: "failed" }] });
  await outer.begun;
  await laterTurns();
  expect(ended()).toBe(0);
  outer.end();
  await inner.begun;
  await laterTurns();
  expect(ended()).toBe(0);
  inner.end();
  await end;
});

test("ends once, whether its reads fail or not", async () => {
  const failing = operation();
  await failing.execution(OUTER_AND_INNER);
  await failing.outer.begun;
  failing.outer.fail(new Error("lost"));
  await failing.end;
  const whole = operation();
  whole.outer.end();
  whole.inner.end();
  expect((await whole.execution("{ outer { inner } }")).errors).toBeUndefined();
  await whole.end;
  await laterTurns();
  expect([failing.ended(), whole.ended()]).toEqual([1, 1]);
});
