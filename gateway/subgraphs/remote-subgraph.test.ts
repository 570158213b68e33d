import { getOperationAST, OperationTypeNode, parse } from "graphql";
import { pino } from "pino";
import { afterEach, expect, test } from "vitest";
import { createIdentityTokens } from "#platform/auth/identity.js";
import type { Identity } from "#schema/policy.js";
import { waitFor } from "../../tests/servers/servers.js";
import { startSubgraphProcess } from "../../tests/systems/gateway/subgraph-process.js";
import { buildTestSubgraphs } from "../../tests/systems/gateway/subgraphs.js";
import { type GatewayWorld, type GatewayWorldOptions, startGatewayWorld } from "../../tests/systems/gateway/world.js";
import { isStream } from "../federation/subgraph.js";
import { openRemoteSubgraph } from "./remote-subgraph.js";

const worlds: GatewayWorld[] = [];
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.stop();
});

async function start(remote: GatewayWorldOptions["remote"] = {}): Promise<GatewayWorld> {
  const world = await startGatewayWorld({ subgraphs: "remote", remote });
  worlds.push(world);
  return world;
}

/** Follows acme's alerts as an admin; `used` of each event is its number in the source. */
let followers = 0;

/** Each under a name of its own: who asks the same shares what is asked of the subgraph. */
function follow(world: GatewayWorld, after?: string) {
  followers += 1;
  const state = { used: [] as unknown[], errors: [] as unknown[], ended: false };
  const argument = after === undefined ? "" : `, after: "${after}"`;
  const leave = world.socket(world.admin).subscribe<{ quotaAlerts: { used: number } }>(
    {
      query: `subscription Follower${followers} { quotaAlerts(tenantId: "acme"${argument}) { used tenant { name } } }`,
    },
    {
      next({ data, errors }) {
        if (data) state.used.push(data.quotaAlerts.used);
        state.errors.push(...(errors ?? []));
      },
      error: (error) => Object.assign(state, { errors: [error], ended: true }),
      complete: () => Object.assign(state, { ended: true }),
    },
  );
  return Object.assign(state, { leave });
}

function publish(world: GatewayWorld, from: number, to: number): void {
  for (let used = from; used <= to; used += 1) {
    world.alerts.publish({ tenantId: "acme", used });
  }
}
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);
const open = (world: GatewayWorld, count: number) =>
  waitFor(() => world.alerts.openCount === count, { what: `${count} open sources` });

test("a subgraph that died costs its own fields, at their paths, and nothing when it is back", async () => {
  const world = await start();
  const query = '{ tenant(id: "acme") { name usage invoices { nodes { id } } } billingReady quotaReady }';
  const whole = {
    tenant: { name: "Acme", usage: 4, invoices: { nodes: [{ id: "acme-1" }] } },
    billingReady: true,
    quotaReady: true,
  };
  expect((await world.ask(query, world.admin)).data).toEqual(whole);
  await world.process("billing").kill();
  const partial = await world.ask(query, world.admin);
  expect(partial.status).toBe(200);
  expect(partial.data).toEqual({ ...whole, tenant: { ...whole.tenant, invoices: null }, billingReady: null });
  expect(partial.errors?.map(({ path, extensions }) => ({ path, code: extensions.code }))).toEqual(
    expect.arrayContaining([
      { path: ["billingReady"], code: "SUBGRAPH_UNAVAILABLE" },
      { path: ["tenant", "invoices"], code: "SUBGRAPH_UNAVAILABLE" },
    ]),
  );
  expect(partial.text).not.toMatch(/object Object|ECONN|127\.0\.0\.1/);
  expect(world.logged.join()).toMatch(/"subgraph":"billing".*ECONNREFUSED/);
  await world.process("billing").start();
  expect((await world.ask(query, world.admin)).data).toEqual(whole);
});

test("a query on a dead connection is retried once, a mutation never", async () => {
  const world = await start();
  const tenancy = world.process("tenancy");
  await world.ask("{ whoAmI }", world.admin);
  tenancy.resetNextRequests(1);
  expect((await world.ask("{ whoAmI }", world.admin)).data).toEqual({ whoAmI: "root" });
  const before = tenancy.requestCount;
  tenancy.resetNextRequests(2);
  expect((await world.ask("{ whoAmI }", world.admin)).errors).toMatchObject([
    { path: ["whoAmI"], extensions: { code: "SUBGRAPH_UNAVAILABLE" } },
  ]);
  expect(tenancy.requestCount).toBe(before + 2);
  tenancy.resetNextRequests(1);
  const lost = await world.ask('mutation { rename(name: "x") }', world.admin);
  expect(lost.errors).toMatchObject([{ path: ["rename"], extensions: { code: "SUBGRAPH_UNAVAILABLE" } }]);
  expect(tenancy.requestCount).toBe(before + 3);
});

test("operations at once and one after another share few connections", async () => {
  const world = await start();
  const tenancy = world.process("tenancy");
  const burst = () =>
    Promise.all(range(1, 200).map(() => world.ask('{ tenant(id: "acme") { name usage } }', world.admin)));
  for (const { data } of [...(await burst()), ...(await burst())])
    expect(data).toEqual({ tenant: { name: "Acme", usage: 4 } });
  expect(tenancy.requestCount).toBe(400);
  const opened = tenancy.connectionCount;
  expect(opened).toBeLessThanOrEqual(32);
  for (let index = 0; index < 20; index += 1) await world.ask("{ whoAmI }", world.admin);
  expect(tenancy.connectionCount).toBe(opened);
});

test("a subgraph that accepts and never answers costs its own fields", async () => {
  const world = await start({ timeoutMs: 300, giveUpMs: 500 });
  await world.process("quota").kill();
  await world.process("quota").hang();
  const answer = await world.ask('{ tenant(id: "acme") { name usage } quotaReady whoAmI }', world.admin);
  expect(answer.data).toBeNull();
  expect(answer.errors).toContainEqual(
    expect.objectContaining({ path: ["quotaReady"], extensions: { code: "SUBGRAPH_UNAVAILABLE" } }),
  );
  const waiting = follow(world, "0");
  await waitFor(() => waiting.ended, { what: "the subscription to give up" });
  expect(waiting.errors).toMatchObject([{ extensions: { code: "SUBGRAPH_UNAVAILABLE" } }]);
});

test.each(["kill", "stop"] as const)(
  "a subscription goes on after its subgraph's %s, without gap or repeat",
  async (how) => {
    const world = await start();
    publish(world, 1, 3);
    const fromStart = follow(world, "0");
    const fromNow = follow(world);
    await open(world, 2);
    publish(world, 4, 5);
    await waitFor(() => fromNow.used.length === 2, { what: "two live events" });
    for (const last of [8, 11]) {
      await world.process("quota")[how]();
      await open(world, 0);
      publish(world, last - 2, last - 1);
      await world.process("quota").start();
      await open(world, 2);
      publish(world, last, last);
      await waitFor(() => fromNow.used.includes(last), { what: `event ${last}` });
    }
    await waitFor(() => fromStart.used.includes(11), { what: "the other's last event" });
    expect(fromStart.used).toEqual(range(1, 11));
    expect(fromNow.used).toEqual(range(4, 11));
    expect([...fromStart.errors, ...fromNow.errors]).toEqual([]);
  },
);

test("a subscription also resumes after its source failed", async () => {
  const world = await start();
  const alerts = follow(world, "0");
  await open(world, 1);
  publish(world, 1, 1);
  await waitFor(() => alerts.used.length === 1, { what: "the first event" });
  world.alerts.fail(new Error("the database went away"));
  await open(world, 1);
  publish(world, 2, 2);
  await waitFor(() => alerts.used.length === 2, { what: "the second event" });
  expect(alerts.used).toEqual([1, 2]);
  expect(alerts.errors).toEqual([]);
});

test("a subscription without a known position ends with an outage: its reader must know", async () => {
  const world = await start();
  const alerts = follow(world);
  await open(world, 1);
  await world.process("quota").kill();
  await waitFor(() => alerts.ended, { what: "the end" });
  expect(alerts.errors).toMatchObject([{ extensions: { code: "SUBGRAPH_UNAVAILABLE" } }]);
  expect(JSON.stringify(alerts.errors)).not.toContain("object Object");
  const late = follow(world);
  await waitFor(() => late.ended, { what: "the refusal" });
  expect(late.errors).toMatchObject([{ extensions: { code: "SUBGRAPH_UNAVAILABLE" } }]);
});

test("too long an outage ends the subscription, and a client that left is not resubscribed", async () => {
  const world = await start({ giveUpMs: 1_000 });
  const patient = follow(world, "0");
  const leaving = follow(world, "0");
  await open(world, 2);
  await world.process("quota").kill();
  await open(world, 0);
  leaving.leave();
  await waitFor(() => patient.ended, { what: "the end" });
  expect(patient.errors).toMatchObject([{ extensions: { code: "SUBGRAPH_UNAVAILABLE" } }]);
  await world.process("quota").start();
  let next = follow(world, "0");
  const isOpen = () => {
    // It gives up after a second, in which the machine may stand still.
    if (next.ended) next = follow(world, "0");
    return world.alerts.openCount === 1;
  };
  await waitFor(isOpen, { what: "an open source" });
  publish(world, 1, 1);
  await waitFor(() => next.used.length === 1, { what: "the event" });
  expect(world.alerts.openCount).toBe(1);
  expect([...patient.used, ...leaving.used]).toEqual([]);
});

test("many subscriptions share one socket", async () => {
  const world = await start();
  const quota = world.process("quota");
  const before = quota.connectionCount;
  for (let index = 0; index < 20; index += 1) follow(world);
  await open(world, 20);
  expect(quota.connectionCount - before).toBe(1);
});

/** Quota alone, and the way to it. */
async function startQuota(timeoutMs?: number) {
  const { all, alerts } = await buildTestSubgraphs();
  const subgraph = all.find(({ name }) => name === "quota");
  if (subgraph === undefined) throw new Error("no quota");
  const logged: string[] = [];
  const logger = pino({}, { write: (line: string) => logged.push(line) });
  const identityTokens = createIdentityTokens("a secret of at least 32 characters");
  const process = await startSubgraphProcess({ subgraph, identityTokens, logger });
  const options = { identityTokens, logger, ...(timeoutMs !== undefined && { timeoutMs }) };
  const remote = openRemoteSubgraph({ ...subgraph, url: process.url }, options);
  const identity: Identity = { kind: "USER", id: "u", tenantId: null, roles: ["PLATFORM_ADMIN"], scopes: [] };
  return {
    alerts,
    logged,
    process,
    execute(text: string) {
      const document = parse(text);
      const kind = getOperationAST(document)?.operation ?? OperationTypeNode.QUERY;
      return remote.execute({ operation: { text, document, kind }, variables: {}, context: { identity } });
    },
    async stop() {
      await remote.stop();
      await process.kill();
    },
  };
}

test("a slow reader buffers a bounded part, and misses nothing", async () => {
  const { alerts, execute, stop } = await startQuota();
  try {
    const stream = await execute('subscription { quotaAlerts(tenantId: "acme", after: "0") { used } }');
    if (!isStream(stream)) throw new Error("not a stream");
    await waitFor(() => alerts.openCount === 1, { what: "the source" });
    for (let used = 1; used <= 2_500; used += 1) alerts.publish({ tenantId: "acme", used });
    await waitFor(() => alerts.openCount === 0, { what: "the source to be left" });
    const got: unknown[] = [];
    for await (const { data } of stream) {
      got.push(data);
      if (got.length === 2_500) break;
    }
    expect(got).toEqual(range(1, 2_500).map((used) => ({ quotaAlerts: { used } })));
    await waitFor(() => alerts.openCount === 0, { what: "the source to be left for good" });
  } finally {
    await stop();
  }
});

test("the queue of a hanging subgraph is bounded, and the log has few lines, with the count", async () => {
  const { execute, logged, process, stop } = await startQuota(1_000);
  try {
    await process.kill();
    await process.hang();
    const asked = range(1, 1_100).map(() => execute("{ quotaReady }").catch((error: Error) => error.message));
    expect(new Set(await Promise.all(asked))).toEqual(new Set(["The service quota does not answer"]));
    expect(logged.join()).toContain("1000 operations are queued already");
    expect(logged.length).toBeLessThan(asked.length / 10);
  } finally {
    await stop();
  }
});
