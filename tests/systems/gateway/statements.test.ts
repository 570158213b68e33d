import { AsyncLocalStorage } from "node:async_hooks";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parse } from "graphql";
import pg from "pg";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ERROR_CODES, isErrorCode } from "#kernel/errors.js";
import type { Subgraph } from "#platform/graphql/subgraph.js";
import { parseConfig } from "#platform/process/config.js";
import type { Identity } from "#schema/policy.js";
import { type RunningSystem, startSystem } from "../../../cli/server/system.js";
import { composeSupergraph } from "../../../gateway/composition.js";
import { buildFederation } from "../../../gateway/execution.js";
import type { Federation } from "../../../gateway/federation/federation.js";
import { localExecutor } from "../../../gateway/subgraphs/reach.js";
import { waitFor } from "../../servers/servers.js";

const TENANTS = 12;
const ADMIN: Identity = { kind: "USER", id: "root", tenantId: null, roles: ["PLATFORM_ADMIN"], scopes: [] };

/** Everything of a tenant, from every service. */
const QUERY = `query ($first: Int!) { tenants(first: $first) { nodes {
  id name plan { id version plan { id versions { version } } } assignments { effectiveFrom plan { version } }
  apiKeys { id } quotas { used limit { limit } } testClockStatus
  usageTotals { meter quantity } billingPeriods(first: 5) { nodes { start status } }
  invoices(first: 5) { nodes { id total { amount } lines { amount { amount } } period { start } } }
  upcomingInvoice { total { amount } }
  webhookEndpoints { id deliveries(first: 5) { nodes { id attempts { at } } } }
  alerts(first: 5) { nodes { id } } accounting { accepted }
} } }`;

let dataDir: string;
let system: RunningSystem;
let federation: Federation;
const counting = new AsyncLocalStorage<string[]>();
const query = pg.Client.prototype.query;

beforeAll(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), "metrly-statements-"));
  const config = parseConfig({
    ...{ METRLY_DATA_DIR: dataDir, METRLY_PORT: "0", METRLY_METRICS_PORT: "0", METRLY_DEMO: "off" },
    METRLY_LOG_LEVEL: "fatal",
    METRLY_PARTITIONS: "1",
  });
  const fail = (error: unknown) => {
    throw error;
  };
  system = await startSystem({ config, composition: "all", logger: pino({ level: "fatal" }), fail });
  const subgraphs = system.services
    .map(({ subgraph }) => subgraph)
    .filter((each): each is Subgraph => each !== undefined);
  federation = buildFederation(composeSupergraph(subgraphs).supergraphSdl, subgraphs, fail, ({ schema }) =>
    localExecutor(schema),
  );
  await ask(
    `mutation { createMeter(input: { key: "calls", name: "Calls", eventType: "api.call", aggregation: COUNT }) { key } }`,
  );
  await ask(`mutation { createPlan(input: { id: "plan", name: "Plan", version: { currency: "EUR", recurringFee: "10",
    prices: [{ meter: "calls", model: PER_UNIT, unitAmount: "1" }],
    limits: [{ meter: "calls", window: DAY, kind: HARD, limit: "100" }] } }) { id } }`);
  for (let n = 0; n < TENANTS; n += 1) {
    await ask(`mutation { createTenant(input: { id: "t${n}", name: "T${n}", planId: "plan" }) { id } }`);
    await ask(`mutation { issueApiKey(input: { tenantId: "t${n}", name: "key", scopes: [READ] }) { secret } }`);
  }
  for (let n = 0; n < TENANTS; n += 1) {
    const input = `{ tenantId: "t${n}", url: "https://metrly.invalid/hook", eventTypes: ["invoice.generated"] }`;
    await ask(`mutation { createWebhookEndpoint(input: ${input}) { endpoint { id } } }`);
  }
  Object.assign(pg.Client.prototype, {
    query(this: pg.Client, ...args: unknown[]) {
      const [statement] = args;
      counting.getStore()?.push(typeof statement === "string" ? statement : String(Object(statement).text));
      return Reflect.apply(query, this, args);
    },
  });
});
afterAll(async () => {
  Object.assign(pg.Client.prototype, { query });
  await system?.stop();
  await rm(dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
});

/** Undefined while it is refused for now, as after a stop of the machine. */
async function answered(operation: string, variableValues = {}): Promise<unknown> {
  const { schema, execute } = federation;
  const document = parse(operation);
  const { data, errors } = await execute({ schema, document, variableValues, contextValue: { identity: ADMIN } });
  if (errors?.some(({ extensions: { code } }) => isErrorCode(code) && ERROR_CODES[code].status === 503))
    return undefined;
  return { data, errors };
}

async function ask(operation: string): Promise<void> {
  expect(await waitFor(() => answered(operation), { what: operation })).toMatchObject({ errors: undefined });
}

async function statementsOf(first: number): Promise<string[]> {
  let statements: string[] = [];
  const isAnswered = () => {
    statements = [];
    return counting.run(statements, () => answered(QUERY, { first }));
  };
  expect(await waitFor(isAnswered, { what: "everything of the tenants" })).toMatchObject({ errors: undefined });
  return statements.map((text) => text.replace(/\s+/g, " ").slice(0, 160)).sort();
}

async function countsOf(first: number): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const text of await statementsOf(first)) counts.set(text, (counts.get(text) ?? 0) + 1);
  return counts;
}

/**
 * The most of some rounds for two tenants, the least of many for twelve: a busy machine splits a batch now and then, or hands a
 * statement's connection over in another operation's turn, where it isn't seen. A statement per tenant is seen in each round.
 */
test("an operation takes as many statements for twelve tenants as for two", async () => {
  for (let warm = 0; warm < 3; warm += 1) await statementsOf(TENANTS);
  const few = await countsOf(2);
  for (let round = 0; round < 4; round += 1)
    for (const [text, times] of await countsOf(2)) few.set(text, Math.max(times, few.get(text) ?? 0));
  expect(few.size).toBeGreaterThan(5);
  const many = await countsOf(TENANTS);
  const extra = () => [...many].filter(([text, times]) => times > (few.get(text) ?? 0));
  for (let round = 0; round < 20 && extra().length > 0; round += 1) {
    const again = await countsOf(TENANTS);
    for (const [text, times] of many) many.set(text, Math.min(times, again.get(text) ?? 0));
  }
  expect(extra()).toEqual([]);
});
