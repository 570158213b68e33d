import { readFileSync } from "node:fs";
import { buildSchema, type GraphQLObjectType, getNamedType } from "graphql";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../../servers/servers.js";
import { ask, askRaw, postEvents, subscribe } from "../../support/client.js";
import { type MetrlyProcess, startMetrly } from "../../support/metrly.js";
import { CREATE_ENDPOINT, CREATE_METER, CREATE_PLAN, CREATE_TENANT, ISSUE_KEY } from "../whole-path/world.js";

const TENANTS = ["acme", "globex"] as const;
const ofTenant = (list: string, node: string) =>
  `query ($t: ID!, $a: Cursor) { tenant(id: $t) { ${list}(first: 1, after: $a) { nodes { ${node} } pageInfo { endCursor } } } }`;
const ofQuery = (list: string, node: string, scope = "") =>
  `query ($t: ID!, $a: Cursor) { ${list}(${scope} first: 1, after: $a) { nodes { ${node} } pageInfo { endCursor } } tenant(id: $t) { id } }`;

/** Every paged field of the graph, one entry to the page. */
const LISTS: Readonly<Record<string, string>> = {
  "Query.tenants": ofQuery("tenants", "id"),
  "Query.plans": ofQuery("plans", "id"),
  "Query.auditLog": ofQuery("auditLog", "at action target", "tenantId: $t"),
  "Query.quarantinedEvents": ofQuery("quarantinedEvents", "id", "tenantId: $t"),
  "Tenant.invoices": ofTenant("invoices", "id"),
  "Tenant.billingPeriods": ofTenant("billingPeriods", "start"),
  "Tenant.alerts": ofTenant("alerts", "id"),
  "Credits.grants": `query ($t: ID!, $a: Cursor) { tenant(id: $t) { credits {
    grants(first: 1, after: $a) { nodes { id } pageInfo { endCursor } } } } }`,
  "WebhookEndpoint.deliveries": `query ($t: ID!, $a: Cursor) { tenant(id: $t) { webhookEndpoints {
    deliveries(first: 1, after: $a) { nodes { id } pageInfo { endCursor } } } } }`,
};
const OF_NO_TENANT = ["Query.tenants", "Query.plans"];
/** They share the stream of `alerts`, and accept its cursors. */
const STREAMS: Readonly<Record<string, string>> = {
  "Subscription.quotaAlerts":
    "subscription ($tenantId: ID!, $after: Cursor) { quotaAlerts(tenantId: $tenantId, after: $after) { id cursor } }",
  "Subscription.invoiceGenerated":
    "subscription ($tenantId: ID!, $after: Cursor) { invoiceGenerated(tenantId: $tenantId, after: $after) { invoice { id } cursor } }",
};
const STREAM_OF_ALERTS = ["Tenant.alerts", ...Object.keys(STREAMS)];

interface Listed {
  readonly nodes: readonly unknown[];
  readonly pageInfo: { readonly endCursor: string | null };
}

describe("a cursor is valid only for its own list", () => {
  let metrly: MetrlyProcess;
  let admin: string;
  /** By tenant, then by list. */
  const cursors = new Map<string, Map<string, string>>();

  beforeAll(async () => {
    metrly = await startMetrly("embedded");
    admin = await metrly.adminToken();
    await createCatalogue();
    await Promise.all(TENANTS.map(fillLists));
  });
  afterAll(() => metrly.dispose());

  test("every paged field and every stream is tried", () => {
    const graph = buildSchema(readFileSync("schema/graphql/api.graphql", "utf8"));
    const taking = Object.values(graph.getTypeMap())
      .filter((type): type is GraphQLObjectType => "getFields" in type && "getInterfaces" in type)
      .flatMap((type) => Object.values(type.getFields()).map((field) => ({ type, field })))
      .filter(({ field }) => field.args.some((arg) => getNamedType(arg.type).name === "Cursor"));
    expect(taking.map(({ type, field }) => `${type.name}.${field.name}`).toSorted()).toEqual(
      [...Object.keys(LISTS), ...Object.keys(STREAMS)].toSorted(),
    );
  });

  describe.each(Object.keys(LISTS))("%s", (list) => {
    test.each(TENANTS)("goes on after its own cursor (%s)", async (tenantId) => {
      const first = await listed(list, tenantId, null);
      const next = await listed(list, tenantId, cursorOf(tenantId, list));
      expect([first.nodes.length, next.nodes.length]).toEqual([1, 1]);
      expect(next.nodes).not.toEqual(first.nodes);
    });

    test("refuses every other list's cursors, another tenant's, and malformed ones", async () => {
      const [own, other] = TENANTS;
      const foreign = Object.keys(LISTS)
        .filter((from) => from !== list)
        .map((from) => [from, cursorOf(own, from)]);
      if (!OF_NO_TENANT.includes(list)) foreign.push([`${other}'s`, cursorOf(other, list)]);
      for (const [what, after] of [...foreign, ["garbage", "bm9uc2Vuc2U"], ["nothing", ""], ["a number", "1"]])
        expect([what, await codeOf(list, own, after ?? "")]).toEqual([what, "INVALID"]);
    });
  });

  test.each(Object.keys(STREAMS))("%s takes cursors of its stream only", async (stream) => {
    const [own, other] = TENANTS;
    const open = (after: string) => subscribe(metrly.url, admin, STREAMS[stream] ?? "", { tenantId: own, after });
    expect((await told(() => open(cursorOf(own, "Tenant.alerts")))).received).not.toEqual([]);
    const others = Object.keys(LISTS).filter((list) => !STREAM_OF_ALERTS.includes(list));
    const foreign = others.map((list) => cursorOf(own, list));
    for (const after of [...foreign, cursorOf(other, "Tenant.alerts"), "bm9uc2Vuc2U"]) {
      const { errors } = await told(() => open(after));
      expect([after, JSON.stringify(errors)]).toEqual([after, expect.stringContaining("INVALID")]);
    }
  });

  /** What a stream answers first. */
  const told = (open: () => ReturnType<typeof subscribe>) =>
    unlessUnavailable(async () => {
      const stream = open();
      await waitFor(() => stream.received.length + stream.errors.length > 0, { what: "an answer of the stream" });
      await stream.stop();
      return stream;
    });

  async function createCatalogue(): Promise<void> {
    await ask(metrly.url, admin, CREATE_METER, {
      input: { key: "calls", name: "Calls", eventType: "api.call", aggregation: "COUNT" },
    });
    const version = {
      ...{ currency: "EUR", recurringFee: "10", prices: [{ meter: "calls", model: "PER_UNIT", unitAmount: "1" }] },
      limits: [{ meter: "calls", window: "BILLING_PERIOD", kind: "SOFT", limit: "5", warnAt: ["0.2", "0.4"] }],
    };
    for (const id of ["basic", "unused"])
      await ask(metrly.url, admin, CREATE_PLAN, { input: { id, name: id, version } });
  }

  /** Gives every list of the tenant two entries or more. */
  async function fillLists(tenantId: string): Promise<void> {
    const { url } = metrly;
    await ask(url, admin, CREATE_TENANT, {
      input: { id: tenantId, name: tenantId, planId: "basic", testClock: "2024-01-20T00:00:00Z" },
    });
    const { secret } = (await ask(url, admin, ISSUE_KEY, { input: { tenantId, name: "backend", scopes: ["INGEST"] } }))
      .issueApiKey;
    const endpoint = (
      await ask(url, admin, CREATE_ENDPOINT, {
        input: { tenantId, url: "https://metrly.invalid/hook", eventTypes: ["quota.warning"] },
      })
    ).createWebhookEndpoint.endpoint.id;
    for (const _ of ["a delivery", "another"])
      await ask(url, admin, "mutation ($id: ID!) { sendTestWebhook(endpointId: $id) { id } }", { id: endpoint });
    const grant = "mutation ($input: GrantCreditsInput!) { grantCredits(input: $input) { id } }";
    for (const id of ["first", "second"])
      await ask(url, admin, grant, { input: { tenantId, id, amount: "1", reason: "test" } });
    const send = async (data: object) => {
      const sent = () =>
        postEvents(
          url,
          secret,
          ["1", "2", "3"].map((id) => ({
            ...{ specversion: "1.0", id, source: "test", type: "api.call", time: "2024-01-20T00:00:00Z", data },
          })),
        );
      await waitFor(async () => (await sent()).ok, { what: "the events to be accepted" });
    };
    await send({});
    await untilListed("Tenant.alerts", tenantId);
    await send({ other: true });
    await ask(url, admin, 'mutation ($t: ID!) { advanceTestClock(tenantId: $t, to: "2024-04-20T00:00:00Z") { id } }', {
      t: tenantId,
    });
    const given = new Map<string, string>();
    for (const list of Object.keys(LISTS)) given.set(list, await untilListed(list, tenantId));
    cursors.set(tenantId, given);
  }

  /** Waits for a second page; the cursor after the first. */
  const untilListed = (list: string, tenantId: string): Promise<string> =>
    waitFor(
      async () => {
        const { endCursor } = (await listed(list, tenantId, null)).pageInfo;
        if (endCursor === null) return undefined;
        return (await listed(list, tenantId, endCursor)).nodes.length > 0 ? endCursor : undefined;
      },
      { what: `two entries of ${list} of ${tenantId}`, deadlineMs: 60_000 },
    );

  async function listed(list: string, tenantId: string, after: string | null): Promise<Listed> {
    const { data, errors } = await answered(list, tenantId, after);
    expect(errors).toBeUndefined();
    const nodes: unknown[] = [];
    let endCursor: string | null = null;
    JSON.parse(JSON.stringify(data), (key, value) => {
      if (key === "nodes") nodes.push(...value);
      if (key === "endCursor") endCursor = value;
      return value;
    });
    return { nodes, pageInfo: { endCursor } };
  }

  const answered = (list: string, t: string, a: string | null) =>
    unlessUnavailable(() => askRaw(metrly.url, admin, LISTS[list] ?? "", { t, a }));

  async function codeOf(list: string, tenantId: string, after: string): Promise<string | undefined> {
    const { errors } = await answered(list, tenantId, after);
    return errors?.[0]?.extensions.code;
  }

  function cursorOf(tenantId: string, list: string): string {
    const cursor = cursors.get(tenantId)?.get(list);
    if (cursor === undefined) throw new Error(`no cursor of ${list} of ${tenantId}`);
    return cursor;
  }
});

/** An error of an operation, or a socket that was closed. */
const isUnavailable = (error: unknown): boolean =>
  `${JSON.stringify(error)} ${(error as { readonly reason?: unknown }).reason}`.includes("UNAVAILABLE");

/** Asks again what is answered with UNAVAILABLE or SUBGRAPH_UNAVAILABLE, as after a stop of the machine. */
const unlessUnavailable = <T extends { readonly errors?: readonly unknown[] }>(ask: () => Promise<T>): Promise<T> =>
  waitFor(
    async () => {
      const answer = await ask();
      return answer.errors?.some(isUnavailable) ? undefined : answer;
    },
    { what: "an answer" },
  );
