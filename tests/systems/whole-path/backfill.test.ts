import { createServer, type Server } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../../servers/servers.js";
import { runCli, wellDoctor } from "../../support/cli.js";
import { ask, postEvents } from "../../support/client.js";
import { graphql } from "../../support/graphql/index.js";
import { type MetrlyProcess, startMetrly } from "../../support/metrly.js";
import {
  accountingOf,
  CREATE_ENDPOINT,
  CREATE_METER,
  CREATE_PLAN,
  CREATE_TENANT,
  ISSUE_KEY,
  sumOf,
  USAGE,
} from "./world.js";

const UNMETERED = graphql(
  `query BackfillUnmetered($tenantId: ID!) { unmeteredTypes(tenantId: $tenantId) { eventType count } }`,
);

let metrly: MetrlyProcess;
let operators: Server;
/** What arrived at the operators' endpoint. */
const told: { type: string; data: { tenantId: string; eventType?: string; meter?: string } }[] = [];
beforeAll(async () => {
  metrly = await startMetrly("embedded");
  operators = createServer(async (request, response) => {
    const chunks = await request.toArray();
    told.push(JSON.parse(Buffer.concat(chunks).toString()));
    response.end();
  });
  await new Promise<void>((resolve) => operators.listen(0, "127.0.0.1", resolve));
});
afterAll(async () => {
  operators.close();
  await metrly.dispose();
});

const receiverUrl = (): string => {
  const address = operators.address();
  return `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}/`;
};

test("usage under a misspelt type is told to operators, found by its type and counted by a later meter, to the event", async () => {
  const admin = await metrly.adminToken();
  const tenantId = "acme";
  await ask(metrly.url, admin, CREATE_ENDPOINT, { input: { platform: true, url: receiverUrl(), eventTypes: [] } });
  const version = { currency: "EUR", recurringFee: "10", prices: [] };
  await ask(metrly.url, admin, CREATE_PLAN, { input: { id: "flat", name: "Flat", version } });
  await ask(metrly.url, admin, CREATE_TENANT, { input: { id: tenantId, name: "Acme", planId: "flat" } });
  const { issueApiKey } = await ask(metrly.url, admin, ISSUE_KEY, {
    input: { tenantId, name: "backend", scopes: ["INGEST", "READ"] },
  });
  const events = Array.from({ length: 30 }, (_, index) => ({
    ...{ specversion: "1.0", id: `e${index}`, source: "test", type: "api.reqest" },
    data: { tokens: String(index) },
  }));
  const asked = () => accountingOf(metrly.url, admin, tenantId);
  await waitFor(async () => (await postEvents(metrly.url, issueApiKey.secret, events)).status === 202, {
    what: "the events to be taken",
  });
  await waitFor(async () => (await asked()).unmetered === 30, { what: "30 unmetered" });
  expect(await ask(metrly.url, admin, UNMETERED, { tenantId })).toEqual({
    unmeteredTypes: [{ eventType: "api.reqest", count: 30 }],
  });

  const isFound = async () =>
    /^- +unmetered +no meter counts these events.*: acme: 30 of "api.reqest"$/m.test(
      (await runCli(metrly, ["doctor"])).out,
    );
  await waitFor(isFound, { what: "the doctor to find them" });

  const meter = { key: "tokens", name: "Tokens", eventType: "api.reqest", aggregation: "SUM", valueProperty: "tokens" };
  await ask(metrly.url, admin, CREATE_METER, { input: { ...meter, backfill: true } });
  await waitFor(async () => (await asked()).counted === 30, { what: "30 counted" });
  const accounting = await asked();
  expect(accounting).toMatchObject({ unmetered: 0, inFlight: 0 });
  expect(sumOf(accounting)).toBe(accounting.accepted);
  const usage = await ask(metrly.url, admin, USAGE, { tenantId });
  expect(usage.tenant.usageTotals).toEqual([{ meter: "tokens", quantity: "435", eventCount: 30 }]);
  expect(await ask(metrly.url, admin, UNMETERED, { tenantId })).toEqual({ unmeteredTypes: [] });

  const { out } = await wellDoctor(metrly);
  expect(out).toMatch(/^- +unpriced +no price claims this usage: acme: 435 tokens$/m);
  expect(out).toMatch(/^ok +unmetered +a meter counts every event$/m);

  // A delivery whose answer comes late is repeated.
  const texts = () => new Set(told.map(({ type, data }) => `${type} ${data.tenantId} ${data.eventType ?? data.meter}`));
  await waitFor(() => texts().size === 2, { what: "the operators to be told of both" });
  expect([...texts()].sort()).toEqual(["usage.unmetered acme api.reqest", "usage.unpriced acme tokens"]);
});
