import { ApolloGateway, LocalGraphQLDataSource } from "@apollo/gateway";
import { ApolloServer } from "@apollo/server";
import { type ExecutionResult, GraphQLError, parse } from "graphql";
import { afterAll, beforeAll, expect, test } from "vitest";
import { serviceIdentity } from "#platform/auth/identity.js";
import { composeSupergraph } from "../../../gateway/composition.js";
import { createFederation, type Federation } from "../../../gateway/federation/federation.js";
import { localExecutor } from "../../../gateway/subgraphs/reach.js";
import { randomOperations, VARIABLES, WRITTEN } from "./operations.js";
import type { CountedSubgraph } from "./sdl-subgraph.js";
import { buildShop } from "./shop.js";

/** Other seeds found differences only where @apollo/gateway loses a value behind an unmet condition. */
const SEED = Number(process.env.METRLY_TEST_SEED ?? 3);
const RANDOM = 250;
const ours = buildShop();
const theirs = buildShop();
const { supergraphSdl } = composeSupergraph(ours);
let federation: Federation;
let apollo: ApolloServer;

beforeAll(async () => {
  const executors = new Map(ours.map(({ name, schema }) => [name, localExecutor(schema)]));
  federation = createFederation({
    supergraphSdl,
    executorOf(name) {
      const executor = executors.get(name);
      if (executor === undefined) throw new Error(`no subgraph ${name}`);
      return executor;
    },
  });
  const gateway = new ApolloGateway({
    supergraphSdl,
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    buildService: ({ name }) => {
      const found = theirs.find((subgraph) => subgraph.name === name);
      if (found === undefined) throw new Error(`no subgraph ${name}`);
      return new LocalGraphQLDataSource(found.schema);
    },
  });
  apollo = new ApolloServer({ gateway, includeStacktraceInErrorResponses: false });
  await apollo.start();
});
afterAll(() => apollo.stop());

interface Seen {
  readonly data: unknown;
  readonly errors: readonly string[];
}

/**
 * The compared parts of a response: its data to the last null and key, and the place, text and code of each error. Of errors
 * that propagated a null, only the place where it stopped: which of several siblings fails first depends on execution order.
 * Not the list index: in lists of several types @apollo/gateway counts only the requested ones.
 */
function seen({ data, errors }: Pick<ExecutionResult, "data"> & { errors?: readonly Partial<GraphQLError>[] }): Seen {
  const comparable = (errors ?? []).map(({ path = [], message = "", extensions }) => {
    if (message.startsWith("Cannot return null")) return JSON.stringify([withoutIndexes(path), message]);
    const place = nullAbove(data, path);
    if (place !== undefined) return JSON.stringify(withoutIndexes(place));
    const code = extensions?.code === "DOWNSTREAM_SERVICE_ERROR" ? undefined : extensions?.code;
    return JSON.stringify([withoutIndexes(path), message, code]);
  });
  return { data: JSON.stringify(data ?? null), errors: [...new Set(comparable)].sort() };
}

const withoutIndexes = (path: readonly (string | number)[]) => path.filter((key) => typeof key === "string");

function nullAbove(data: unknown, path: readonly (string | number)[]): readonly (string | number)[] | undefined {
  let value = data;
  for (const [depth, key] of path.entries()) {
    if (value === null || value === undefined) return path.slice(0, depth);
    value = (value as Record<string | number, unknown>)[key];
  }
  return undefined;
}

async function askOurs(operation: string): Promise<Seen> {
  const document = parse(operation);
  const { schema } = federation;
  const contextValue = { identity: serviceIdentity("test") };
  const answer = await federation.execute({ schema, document, variableValues: VARIABLES, contextValue });
  for (const { path = [] } of answer.errors ?? [])
    expect(isNullAt(answer.data, path), `${operation} has an error at ${path.join(".")}, where it has no null`).toBe(
      true,
    );
  return seen(answer);
}

const isNullAt = (data: unknown, path: readonly (string | number)[]): boolean => {
  const [key, ...rest] = path;
  if (data === null || data === undefined || key === undefined) return data === null || data === undefined;
  return isNullAt((data as Record<string | number, unknown>)[key], rest);
};

async function askApollo(operation: string): Promise<Seen> {
  const { body } = await apollo.executeOperation({ query: operation, variables: VARIABLES });
  if (body.kind !== "single") throw new Error("incremental");
  return seen(body.singleResult as ExecutionResult);
}

const calls = (subgraphs: readonly CountedSubgraph[]) =>
  subgraphs.reduce((sum, { entityCalls }) => sum + entityCalls.splice(0).length, 0);

/** Unsupported by planner 0.0.38: a field with @requires, on an entity reached through its own subgraph. */
const isBeyondPlanner = (operation: string): boolean =>
  /limit.*(worst|alerts)|(worst|alerts).*limit|summary.*deliveries|deliveries.*summary/.test(operation);

async function differences(operations: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const operation of operations) {
    const [own, other] = [await askOurs(operation), await askApollo(operation)];
    if (own.errors.some((error) => error.includes("TOO_COMPLEX")) && isBeyondPlanner(operation)) continue;
    // @apollo/gateway reports no error for nulls that no subgraph's error explains.
    const comparable = own.errors.filter(
      (error) => !error.includes("Cannot return null") || other.errors.includes(error),
    );
    if (JSON.stringify({ ...own, errors: comparable }) !== JSON.stringify(other))
      found.push(`${operation}\n  ours   ${JSON.stringify(own)}\n  apollo ${JSON.stringify(other)}`);
  }
  return found;
}

test(`${RANDOM} random operations are answered as @apollo/gateway answers them (seed ${SEED})`, async () => {
  const operations = randomOperations(federation.schema, RANDOM, SEED);
  expect((await differences(operations)).join("\n\n")).toBe("");
});

test("hand-written operations are, too: introspection, constants, merging, every kind of null", async () => {
  expect((await differences(WRITTEN)).join("\n\n")).toBe("");
});

test("a repeated operation is compiled, and answered as before", async () => {
  for (const operation of [...WRITTEN, ...randomOperations(federation.schema, 100, SEED + 2)]) {
    const first = await askOurs(operation);
    for (let time = 2; time <= 4; time += 1) expect(await askOurs(operation), operation).toEqual(first);
  }
});

test("an invalid variable, a missing operation and a reserved name are answered, not executed", async () => {
  const { schema, execute } = federation;
  const ask = async (operation: string, variableValues = {}, operationName?: string) => {
    const { data, errors } = await execute({
      ...{ schema, document: parse(operation), variableValues, contextValue: { identity: serviceIdentity("test") } },
      ...(operationName !== undefined && { operationName }),
    });
    return [data, errors?.map(({ message }) => message)];
  };
  expect(await ask("query ($id: ID!) { tenant(id: $id) { name } }")).toEqual([
    undefined,
    ['Variable "$id" of required type "ID!" was not provided.'],
  ]);
  expect(await ask("query A { version }", {}, "B")).toEqual([
    undefined,
    ["The document lacks the named operation, or has several and none is named"],
  ]);
  expect(await ask('{ tenant(id: "t1") { __proto__: settings { theme } } }')).toEqual([
    undefined,
    ['"__proto__" is not allowed as an alias'],
  ]);
});

test("entities are requested no more often than by @apollo/gateway, once per step", async () => {
  calls(ours);
  calls(theirs);
  for (const operation of randomOperations(federation.schema, 100, SEED + 1)) {
    const { errors } = await askOurs(operation);
    if (!errors.some((error) => error.includes("TOO_COMPLEX"))) await askApollo(operation);
  }
  const [own, other] = [calls(ours), calls(theirs)];
  expect(own / other).toBeLessThan(1.15);
  await askOurs(
    "{ tenants { usage alerts(first: 2) { tenant { name } } invoices { summary deliveries { to { usage } } } } }",
  );
  // Names of alerts' tenants; usage and alerts; invoices and their totals; summaries and deliveries, which lead to no tenant.
  expect(ours.map(({ entityCalls }) => entityCalls.splice(0))).toEqual([[3], [3], [3, 6], [6]]);
});
