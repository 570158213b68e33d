import { HTTPError, OpenMeter } from "@openmeter/sdk";
import { CloudEvent, emitterFor, httpTransport, Mode } from "cloudevents";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../../servers/servers.js";
import { ask, type EventsAnswer, postEvents, untilServed } from "../../support/client.js";
import { runs } from "../../support/effort.js";
import { type MetrlyProcess, startMetrly } from "../../support/metrly.js";
import { setUp } from "../whole-path/proof.js";
import {
  type Accounting,
  accountingOf,
  CREATE_METER,
  CREATE_PLAN,
  CREATE_TENANT,
  ISSUE_KEY,
  sumOf,
} from "../whole-path/world.js";
import { anyRequest, createChecker, type Operation, operationsOf, send } from "./documented.js";
import { askInBatches, graphClients } from "./graph-clients.js";

describe("clients of other vendors", () => {
  const openmeterTenants = ["openmeter", "openmeter-batch", "openmeter-partly", "openmeter-refused"];
  const tenants = ["structured", "binary", "batch", "graph", ...openmeterTenants];
  const limits = [{ meter: "calls", window: "BILLING_PERIOD", kind: "SOFT", limit: "2", warnAt: ["0.5"] }];
  let metrly: MetrlyProcess;
  let admin: string;
  let key: string;

  beforeAll(async () => {
    metrly = await startMetrly("embedded");
    admin = await metrly.adminToken();
    key = await setUp({ url: metrly.url, admin }, { events: 0, tenants, seed: 0, limits });
  });

  afterAll(async () => {
    await metrly?.dispose();
  });

  /** All received events, once counted. */
  async function atRest(tenantId: string, accepted: number): Promise<Accounting> {
    return waitFor(
      async () => {
        const now = await accountingOf(metrly.url, admin, tenantId);
        expect(sumOf(now)).toBe(now.accepted);
        return now.accepted === accepted && now.inFlight === 0 ? now : undefined;
      },
      { what: `${accepted} of ${tenantId} at rest` },
    );
  }

  const eventOf = (subject: string, id: string) =>
    new CloudEvent({
      id,
      source: "https://example.com/app?a=b%20c",
      type: "api.call",
      subject,
      data: { region: "eu" },
    });

  for (const mode of [Mode.STRUCTURED, Mode.BINARY]) {
    test(`the cloudevents client's HTTP emitter is understood in ${mode} mode`, async () => {
      const emit = emitterFor(httpTransport(`${metrly.url}/v1/events`), { mode });
      const headers = { authorization: `Bearer ${key}` };
      const { body } = (await emit(eventOf(mode, "e1"), { headers })) as { body: string };
      const answer: EventsAnswer = JSON.parse(body);
      expect(answer.results).toEqual([{ id: "e1", source: expect.any(String), status: "accepted" }]);
      await emit(eventOf(mode, "e2"), { headers });
      await emit(eventOf(mode, "e1"), { headers });
      expect(await atRest(mode, 2)).toMatchObject({ counted: 2, duplicates: 0, quarantined: 0 });
    });
  }

  test("a batch of the cloudevents client's own JSON is understood", async () => {
    const transport = httpTransport(`${metrly.url}/v1/events`);
    const events = ["e1", "e2", "e3"].map((id) => eventOf("batch", id));
    const headers = { "content-type": "application/cloudevents-batch+json", authorization: `Bearer ${key}` };
    const { body } = (await transport({ headers, body: JSON.stringify(events) })) as { body: string };
    expect(JSON.parse(body)).toMatchObject({ accepted: 3, duplicates: 0, rejected: 0 });
    expect(await atRest("batch", 3)).toMatchObject({ counted: 3 });
  });

  describe("of the graph", () => {
    const subscription =
      "subscription ($tenantId: ID!, $after: Cursor) { quotaAlerts(tenantId: $tenantId, after: $after) { kind used } }";
    let alert: Record<string, unknown>;

    beforeAll(async () => {
      for (const id of ["e1", "e2"]) await untilServed(() => postEvents(metrly.url, key, [eventOf("graph", id)]));
      const query = `{ tenant(id: "graph") { alerts { nodes { cursor kind } } } }`;
      const nodes = await waitFor(
        async () => {
          const { tenant } = await ask<{ tenant: { alerts: { nodes: { cursor: string; kind: string }[] } } }, never>(
            metrly.url,
            admin,
            query,
          );
          return tenant.alerts.nodes.length === 2 ? tenant.alerts.nodes : undefined;
        },
        { what: "a warning and the end of the limit" },
      );
      alert = { tenantId: "graph", after: nodes.find(({ kind }) => kind === "WARNING")?.cursor };
    });

    test.each(["@apollo/client", "@apollo/client with GET", "@urql/core", "@urql/core with GET", "graphql-request"])(
      "%s reads, writes, gets codes and subscribes",
      async (name) => {
        const client = graphClients({ url: metrly.url, token: admin }).find((one) => one.name === name);
        const tenant = { id: "graph" };
        const read = await client?.ask("query ($id: ID!) { tenant(id: $id) { id name } }", tenant);
        expect(read).toMatchObject({ tenant: { id: "graph", name: "graph" } });
        const refused = await client?.ask(
          'query ($id: ID!) { tenant(id: $id) { alerts(after: "x") { nodes { id } } } }',
          tenant,
        );
        expect(refused).toBe("INVALID");
        const written = await client?.ask(
          "mutation ($input: CreateTenantInput!) { createTenant(input: $input) { name } }",
          {
            input: { name, planId: "plan" },
          },
        );
        expect(written).toMatchObject({ createTenant: { name } });
        if (client?.first !== undefined)
          expect(await client.first(subscription, alert)).toMatchObject({
            quotaAlerts: { kind: "EXCEEDED", used: "2" },
          });
      },
    );

    test("Apollo's batching link is told what to switch off", async () => {
      const answer = await askInBatches({ url: metrly.url, token: admin }, [
        "{ viewer { id } }",
        "{ viewer { kind } }",
      ]);
      expect(answer).toMatchObject({ bodyText: expect.stringContaining("switch off") });
    });
  });

  test("the OpenMeter SDK needs only another base URL, and a retry that restamps `time` counts once", async () => {
    const openmeter = new OpenMeter({ baseUrl: metrly.url, apiKey: key });
    const usage = {
      id: "restamped",
      source: "app",
      type: "llm.completion",
      subject: "openmeter",
      data: { tokens: "7" },
    };
    await openmeter.events.ingest(usage);
    // The acknowledging edge forgets it: only the ledger can deduplicate.
    await metrly.kill();
    await metrly.restart();
    await openmeter.events.ingest(usage);
    expect(await atRest("openmeter", 2)).toMatchObject({ counted: 1, duplicates: 1, quarantined: 0 });
  });

  test("the OpenMeter SDK sends a batch, with ids and times of its own where it has none", async () => {
    const openmeter = new OpenMeter({ baseUrl: metrly.url, apiKey: key });
    const usage = { type: "api.call", subject: "openmeter-batch", data: { region: "eu" } };
    await openmeter.events.ingest([usage, usage, { ...usage, id: "own", source: "app", time: new Date() }]);
    expect(await atRest("openmeter-batch", 3)).toMatchObject({ counted: 3, duplicates: 0 });
  });

  test("the OpenMeter SDK sees that a part of its batch was rejected, and may send the whole again", async () => {
    const openmeter = new OpenMeter({ baseUrl: metrly.url, apiKey: key });
    const event = (id: string, tokens: string) => ({
      ...{ id, source: "app", type: "llm.completion", subject: "openmeter-partly", data: { tokens } },
    });
    const send = (tokens: string) => openmeter.events.ingest([event("good", "7"), event("bad", tokens)]);
    for (let time = 1; time <= 2; time += 1) {
      const error = await send("many").then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      if (!(error instanceof HTTPError)) throw new Error(`not an error of the SDK: ${error}`);
      expect(error).toMatchObject({ status: 400, type: "urn:metrly:error:INVALID" });
      expect(error.message).toContain("1 of 2 events were rejected");
      expect(error.getField("results")).toMatchObject([{ id: "good" }, { id: "bad", status: "rejected" }]);
    }
    await send("5");
    expect(await atRest("openmeter-partly", 2)).toMatchObject({ counted: 2, duplicates: 0, quarantined: 0 });
  });

  test("the OpenMeter SDK gets the reason of a rejection from the problem document", async () => {
    const openmeter = new OpenMeter({ baseUrl: metrly.url, apiKey: key });
    const refused = openmeter.events.ingest({ type: "metrly.own", subject: "openmeter-refused", data: {} });
    await expect(refused).rejects.toMatchObject({ status: 400, type: "urn:metrly:error:RESERVED_TYPE" });
    const unknown = new OpenMeter({ baseUrl: metrly.url, apiKey: "mtr_live_nobody" });
    await expect(unknown.events.ingest({ type: "api.call", subject: "openmeter-refused" })).rejects.toMatchObject({
      status: 401,
      type: "urn:metrly:error:UNAUTHENTICATED",
    });
  });

  describe("that read the OpenAPI document", () => {
    let document: object;
    let operations: readonly Operation[];
    let checker: ReturnType<typeof createChecker>;
    let own: string;

    beforeAll(async () => {
      // The meters, plan and tenant of the examples, which are the demo's.
      const meter = { key: "api_calls", name: "API calls", eventType: "api.request", aggregation: "COUNT" };
      const tokens = { key: "llm_tokens", name: "Tokens", eventType: "llm.completion", valueProperty: "tokens" };
      for (const input of [meter, { ...tokens, aggregation: "SUM" }])
        await ask(metrly.url, admin, CREATE_METER, { input });
      const hard = [{ meter: "api_calls", window: "HOUR", kind: "HARD", limit: "1000" }];
      const version = { currency: "EUR", prices: [], limits: hard };
      await ask(metrly.url, admin, CREATE_PLAN, { input: { id: "starter", name: "Starter", version } });
      await ask(metrly.url, admin, CREATE_TENANT, { input: { id: "acme", name: "Acme", planId: "starter" } });
      const input = { tenantId: "acme", name: "key", scopes: ["INGEST", "QUOTA", "READ"] };
      own = (await ask(metrly.url, admin, ISSUE_KEY, { input })).issueApiKey.secret;
      document = (await (await fetch(`${metrly.url}/openapi.json`)).json()) as object;
      operations = operationsOf(document);
      checker = createChecker(document);
    });

    const operationAt = (method: string, path: string): Operation => {
      const found = operations.find((one) => one.method === method && one.path === path);
      if (found === undefined) throw new Error(`${method} ${path} is not documented`);
      return found;
    };
    const isJson = { "content-type": "application/json" };
    const SUCCESS_OF: Readonly<Record<string, number>> = { "/v1/events": 202, "/api/v1/events": 204 };
    /** As the document says: an answer with `Retry-After` asks for the same request again. */
    const untilFinal = (ask: () => Promise<Response>): Promise<Response> =>
      waitFor(
        async () => {
          const answer = await ask();
          return answer.headers.has("retry-after") ? undefined : answer;
        },
        { what: "an answer without Retry-After" },
      );

    test("every path answers exactly the documented methods, and refuses a request without a key as documented", async () => {
      for (const path of new Set(operations.map((one) => one.path))) {
        const ofPath = operations.filter((one) => one.path === path);
        const { headers } = await fetch(`${metrly.url}${path}`, { method: "DELETE" });
        const allowed = (headers.get("allow") ?? "").toLowerCase().split(", ");
        expect([path, ...allowed.filter((method) => method !== "head").sort()]).toEqual([
          path,
          ...ofPath.map(({ method }) => method).sort(),
        ]);
        for (const operation of ofPath) {
          const answer = await fetch(`${metrly.url}${path}`, { method: operation.method.toUpperCase() });
          expect(answer.status).toBe(401);
          expect(await checker.response(operation, answer)).toBeUndefined();
        }
      }
    });

    test("can send every example, and find the event of the first", async () => {
      let examples = 0;
      for (const operation of operations)
        for (const [type, { examples: ofType = {} }] of Object.entries(operation.requestBody?.content ?? {}))
          for (const { value } of Object.values(ofType)) {
            const sent = { headers: { "content-type": type }, query: "", body: JSON.stringify(value) };
            const answer = await untilFinal(() => send(metrly.url, own, operation, sent));
            expect([operation.path, type, answer.status]).toEqual([
              operation.path,
              type,
              SUCCESS_OF[operation.path] ?? 200,
            ]);
            expect(await checker.response(operation, answer)).toBeUndefined();
            examples += 1;
          }
      expect(examples).toBeGreaterThan(8);
      const find = operationAt("get", "/v1/events");
      const query = "?source=api-gateway&id=req-7f3a";
      const found = await waitFor(
        async () => {
          const answer = await send(metrly.url, own, find, { headers: {}, query });
          return answer.status === 200 ? answer : undefined;
        },
        { what: "the example's event" },
      );
      expect(await checker.response(find, found)).toBeUndefined();
    });

    test("know both statuses of a denial, and can have it explained", async () => {
      const consume = operationAt("post", "/v1/quota/consume");
      for (const status of [429, 403]) {
        const body = JSON.stringify({ meter: "api_calls", amount: "5000", idempotencyKey: `too-much-${status}` });
        const answer = await send(metrly.url, own, consume, { headers: isJson, query: `?denyStatus=${status}`, body });
        expect([answer.status, answer.headers.get("content-type")]).toEqual([status, expect.stringMatching("/json")]);
        expect(await checker.response(consume, answer)).toBeUndefined();
      }
      const denial = operationAt("get", "/v1/quota/denial");
      const why = await waitFor(
        async () => {
          const answer = await send(metrly.url, own, denial, { headers: {}, query: "?idempotencyKey=too-much-429" });
          return answer.status === 200 ? answer : undefined;
        },
        { what: "the denial" },
      );
      expect(await checker.response(denial, why)).toBeUndefined();
    });

    test("never get a 500 or an undocumented answer, whatever they make of the schemas", async () => {
      const known = { meter: ["api_calls"], subject: ["acme"], tenantId: ["acme"], "ce-specversion": ["1.0"] };
      const hints = { ...known, amount: ["1", 2], type: ["api.request"], time: [new Date().toISOString()] };
      const statuses = new Set<number>();
      for (const operation of operations)
        await fc.assert(
          fc.asyncProperty(anyRequest(document, operation, hints), async (sent) => {
            const answer = await send(metrly.url, own, operation, sent);
            statuses.add(answer.status);
            expect(answer.status).not.toBe(500);
            expect(await checker.response(operation, answer), JSON.stringify([operation.path, sent])).toBeUndefined();
          }),
          { numRuns: runs(12) },
        );
      // Some random requests mean something, some do not.
      expect([...statuses]).toEqual(expect.arrayContaining([200, 400]));
    });
  });
});
