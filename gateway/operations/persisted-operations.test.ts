import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type GatewayWorld, startGatewayWorld } from "../../tests/systems/gateway/world.js";
import { readPersistedOperations } from "./persisted-operations.js";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), "metrly-persisted-"));
});
afterAll(() => rm(dir, { recursive: true }));

async function listOf(content: unknown): Promise<string> {
  const file = path.join(dir, "operations.json");
  await writeFile(file, typeof content === "string" ? content : JSON.stringify(content));
  return file;
}

const WHO = "query Who { whoAmI }";
const LIVE = 'subscription { quotaAlerts(tenantId: "acme") { used } }';
const hashOf = (text: string) => createHash("sha256").update(text).digest("hex");

describe("a graph with a list of operations", () => {
  let world: GatewayWorld;
  beforeAll(async () => {
    const operations = [WHO, LIVE].map((body) => ({ id: hashOf(body), name: "x", type: "query", body }));
    const list = { format: "apollo-persisted-query-manifest", version: 1, operations };
    world = await startGatewayWorld({ persistedOperationsFile: await listOf(list) });
  });
  afterAll(() => world.stop());

  const post = (body: object) =>
    world.send("/graphql", {
      method: "POST",
      headers: { authorization: `Bearer ${world.admin}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  const codesOf = ({ errors }: Awaited<ReturnType<typeof post>>) => errors?.map(({ extensions }) => extensions?.code);

  test("runs them by id or text, over HTTP", async () => {
    const persistedQuery = { version: 1, sha256Hash: hashOf(WHO) };
    for (const body of [{ query: WHO }, { documentId: hashOf(WHO) }, { extensions: { persistedQuery } }])
      expect((await post(body)).data, JSON.stringify(body)).toEqual({ whoAmI: "root" });
    const search = new URLSearchParams({ extensions: JSON.stringify({ persistedQuery }) });
    const got = await world.send(`/graphql?${search}`, {
      headers: { authorization: `Bearer ${world.admin}`, "apollo-require-preflight": "true" },
    });
    expect(got.data).toEqual({ whoAmI: "root" });
  });

  test("runs nothing else, not even introspection or a listed text that was changed, and not for an admin", async () => {
    for (const query of [
      "{ whoAmI }",
      `${WHO} `,
      "{ __schema { queryType { name } } }",
      'mutation { rename(name: "x") }',
    ])
      expect(codesOf(await post({ query })), query).toEqual(["FORBIDDEN"]);
    // The id decides: no other text comes with it.
    expect((await post({ query: "{ crash }", documentId: hashOf(WHO) })).data).toEqual({ whoAmI: "root" });
    expect(codesOf(await post({ documentId: "unknown" }))).toEqual(["NOT_FOUND"]);
    for (const body of [{}, { query: 7 }, { query: null }]) expect(codesOf(await post(body))).toEqual(["FORBIDDEN"]);
    const batch = await post([{ query: "{ whoAmI }" }]);
    expect(batch.status).toBe(400);
    expect(batch.data).toBeUndefined();
  });

  test("holds on the WebSocket as well", async () => {
    const client = world.socket(world.admin);
    expect((await client.iterate({ query: WHO }).next()).value).toEqual({ data: { whoAmI: "root" } });
    await expect(client.iterate({ query: "{ whoAmI }" }).next()).rejects.toMatchObject([
      { extensions: { code: "FORBIDDEN" } },
    ]);
    const alerts = client.iterate({ query: "", extensions: { persistedQuery: { sha256Hash: hashOf(LIVE) } } });
    const first = alerts.next();
    while (world.alerts.openCount === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    world.alerts.publish({ tenantId: "acme", used: 3 });
    expect((await first).value).toEqual({ data: { quotaAlerts: { used: 3 } } });
    await alerts.return?.();
  });
});

test("an object of texts by id is a list too; an invalid file is named in the error", async () => {
  const operations = await readPersistedOperations(await listOf({ who: WHO }));
  expect(operations.textOf({ documentId: "who" })).toBe(WHO);
  const wrong: [unknown, RegExp][] = [
    [{}, /operations.json lists no operation/],
    [[], /lists no operation/],
    [{ who: 7 }, /is no object of texts by id/],
    [{ operations: [{ id: "x" }] }, /an id and a body each/],
    [{ who: "query {" }, /operation who, which does not parse/],
    ["{", /JSON/],
  ];
  for (const [content, message] of wrong)
    await expect(readPersistedOperations(await listOf(content))).rejects.toThrow(message);
});
