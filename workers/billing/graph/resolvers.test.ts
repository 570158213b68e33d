import { type ExecutionResult, execute, parse } from "graphql";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Database, openDatabase } from "#platform/database/database.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import { connectPostgresLog } from "#platform/event-log/postgres/log.js";
import { answerTooLarge } from "#platform/graphql/answer-size.js";
import { createGraphqlExecution } from "#platform/graphql/execution.js";
import type { Page } from "#platform/graphql/pagination.js";
import type { Subgraph } from "#platform/graphql/subgraph.js";
import { deferred } from "#platform/lifecycle/deferred.js";
import { canonicalJson } from "#schema/canonical-json.js";
import { invoiceV2, readInvoice } from "#schema/events/invoice.v2.js";
import { usageReceivedV1 } from "#schema/events/usage-received.v1.js";
import type { Identity } from "#schema/policy.js";
import { TOPICS, USAGE_RECEIVED } from "#schema/topics.js";
import { createMigratedDatabase } from "../../../tests/servers/migrated.js";
import { hasPostgres, type TestDatabase } from "../../../tests/servers/servers.js";
import { PATIENT_LIMITS } from "../../../tests/support/patient-limits.js";
import { documentsByKey } from "../store/invoices.js";
import {
  at,
  type BillingWorld,
  billingWorld,
  ledgerClientOf,
  ledgerFor,
  meter,
  PARTITIONS,
  planVersion,
  price,
  type TestLedger,
  tenant,
  usage,
} from "../world.testing.js";
import { createBillingSubgraph } from "./resolvers.js";

const platform: Identity = { kind: "USER", id: "root", tenantId: null, roles: ["PLATFORM_ADMIN"], scopes: [] };
const acme: Identity = { kind: "API_KEY", id: "key", tenantId: "acme", roles: ["TENANT_VIEWER"], scopes: ["READ"] };
const other: Identity = { ...acme, tenantId: "globex" };

const parseUnwatched = JSON.parse;

describe.skipIf(!hasPostgres)("billing's graph", () => {
  let world: BillingWorld;
  let subgraph: Subgraph;
  let logTestDatabase: TestDatabase;
  let logDatabase: Database;
  let log: EventLog;
  let ledger: TestLedger;
  let statements = 0;

  beforeAll(async () => {
    world = await billingWorld();
    logTestDatabase = await createMigratedDatabase("log");
    const onError = (): void => undefined;
    logDatabase = await openDatabase({ url: logTestDatabase.url, profiles: PATIENT_LIMITS, onError });
    log = await connectPostgresLog({ database: logDatabase, onError });
    await log.ensureTopics(TOPICS, PARTITIONS);
    ledger = ledgerFor("acme");
    world.state.apply(meter("calls", { dimensions: ["region"] }));
    world.state.apply({
      kind: "plan",
      id: "pro",
      version: 1,
      name: "Pro",
      archived: false,
      versions: [
        planVersion({ prices: [price({ meter: "calls", model: "PER_UNIT", unitAmount: "0.125" })] }),
        planVersion({ version: 2, public: true, prices: [price({ meter: "calls", model: "FLAT", unitAmount: "7" })] }),
        planVersion({ version: 3, prices: [price({ meter: "calls", model: "FLAT", unitAmount: "9" })] }),
      ],
    });
    world.state.apply(tenant("acme"));
    world.state.apply(tenant("globex"));
    world.clock.set(at("2026-03-10T12:00:00"));
    ledger.record(
      usage("acme", "a", at("2026-01-05T10:00:00"), { region: "eu" }),
      usage("acme", "b", at("2026-01-05T11:59:00"), { region: "us" }),
      usage("acme", "x", at("2026-01-06T00:00:00"), {}, "nobody.counts"),
      { kind: "tick", at: at("2026-02-04T00:00:00") },
      { ...usage("acme", "c", at("2026-02-20T10:00:00"), { region: "eu" }) },
      { kind: "tick", at: at("2026-03-04T00:00:00") },
      { ...usage("acme", "late", at("2026-01-31T10:00:00"), { region: "eu" }), recordedAt: at("2026-03-09T10:00:00") },
    );
    await world.deliver(ledger);
    await world.close("acme");
    const { pool } = world.database;
    const counting = new Proxy(pool, {
      get: (target, key) => {
        if (key === "query") statements += 1;
        const value: unknown = Reflect.get(target, key);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    subgraph = await createBillingSubgraph({
      database: { ...world.database, pool: counting },
      tenancy: world.tenancy,
      clock: world.clock,
      partitions: PARTITIONS,
      log,
      ledger: ledgerClientOf([ledger]),
    });
  });
  afterAll(async () => {
    await log.stop();
    await logDatabase.stop();
    await logTestDatabase.drop();
    await world.stop();
  });

  async function ask(identity: Identity, source: string): Promise<ExecutionResult> {
    return execute({ schema: subgraph.schema, document: parse(source), contextValue: { identity } });
  }
  /** Fields of a tenant, asked for as the gateway does. */
  async function ofTenant(identity: Identity, fields: string, ids: readonly string[] = ["acme"]): Promise<unknown[]> {
    const references = ids.map((id) => `{ __typename: "Tenant", id: "${id}" }`).join(", ");
    const source = `{ _entities(representations: [${references}]) { ... on Tenant { id ${fields} } } }`;
    const { data, errors } = await ask(identity, source);
    expect(errors).toBeUndefined();
    const entities = data?._entities;
    if (!Array.isArray(entities)) throw new Error("entities are a list");
    return entities;
  }

  test("groups usage by at most 50 dimensions", async () => {
    const grouped = (count: number) =>
      ask(
        acme,
        `{ _entities(representations: [{ __typename: "Tenant", id: "acme" }]) { ... on Tenant {
        usageTotals(groupBy: ${JSON.stringify(Array.from({ length: count }, () => "region"))}) { quantity } } } }`,
      );
    expect((await grouped(50)).errors).toBeUndefined();
    for (const count of [51, 50_000])
      expect((await grouped(count)).errors?.[0]?.message).toBe("groupBy: has at most 50 dimensions");
  });

  test("totals usage by period, day and dimension, also as known at a past hour", async () => {
    const [january] = await ofTenant(
      acme,
      `period: usageTotals(periodStart: "2026-01-01T00:00:00Z") { meter quantity eventCount from to lastEventAt }
       regions: usageTotals(periodStart: "2026-01-01T00:00:00Z", groupBy: ["region"]) { quantity dimensions { dimension value } }
       days: usageTotals(periodStart: "2026-01-01T00:00:00Z", granularity: DAY) { quantity from to }
       before: usageTotals(periodStart: "2026-01-01T00:00:00Z", asOf: "2026-03-09T10:59:00Z") { quantity }
       after: usageTotals(periodStart: "2026-01-01T00:00:00Z", asOf: "2026-03-09T11:00:00Z") { quantity }
       running: usageTotals { quantity }`,
    );
    expect(january).toMatchObject({
      period: [
        {
          meter: "calls",
          quantity: "3",
          eventCount: 3,
          from: "2026-01-01T00:00:00.000Z",
          to: "2026-02-01T00:00:00.000Z",
          lastEventAt: "2026-01-31T10:00:00.000Z",
        },
      ],
      regions: [
        { quantity: "2", dimensions: [{ dimension: "region", value: "eu" }] },
        { quantity: "1", dimensions: [{ dimension: "region", value: "us" }] },
      ],
      days: [
        { quantity: "2", from: "2026-01-05T00:00:00.000Z", to: "2026-01-06T00:00:00.000Z" },
        { quantity: "1", from: "2026-01-31T00:00:00.000Z", to: "2026-02-01T00:00:00.000Z" },
      ],
      before: [{ quantity: "2" }],
      after: [{ quantity: "3" }],
      running: [],
    });
  });

  test("a client that leaves in the middle of a long read of usage ends it at the next page, and frees its connection", async () => {
    world.state.apply(tenant("wide"));
    // Three pages of cells.
    await world.database.pool.query(
      `INSERT INTO usage_delta (tenant_id, seq, meter, hour, dimensions, value, quantity, event_count, last_event_at, recorded_hour)
       SELECT 'wide', n, 'calls', $1, '["' || n || '"]', '', 1, 1, $1, $1 FROM generate_series(1, 2500) n`,
      [at("2026-03-05T10:00:00")],
    );
    const run = createGraphqlExecution(subgraph.schema);
    const { pool } = world.database;
    const leaving = new AbortController();
    const sent: string[] = [];
    let onPage: () => void = () => undefined;
    const unwatched = new Map<{ query: unknown }, unknown>();
    const watch = (client: { query: unknown }) => {
      if (unwatched.has(client)) return;
      const { query } = client;
      unwatched.set(client, query);
      client.query = (...args: unknown[]): unknown => {
        sent.push(String(args[0]));
        if (String(args[0]).startsWith("FETCH")) onPage();
        return Reflect.apply(query as () => unknown, client, args);
      };
    };
    pool.on("acquire", watch);
    const ask = (signal?: AbortSignal) =>
      run({
        document: parse(`{ _entities(representations: [{ __typename: "Tenant", id: "wide" }]) { ... on Tenant {
          usageTotals(groupBy: ["region"]) { quantity } } } }`),
        variables: {},
        context: { identity: platform, signal },
      });
    const pages = () => sent.filter((sql) => sql.startsWith("FETCH")).length;
    try {
      expect((await ask()).errors).toBeUndefined();
      expect(pages()).toBe(3);
      sent.length = 0;
      onPage = () => leaving.abort(new Error("left"));
      const { errors } = await ask(leaving.signal);
      expect(errors?.[0]?.originalError?.message).toBe("left");
      expect(pages()).toBe(1);
      expect(sent.slice(-2)).toEqual(["CLOSE part_by_part", "ROLLBACK"]);
      expect(pool.idleCount).toBe(pool.totalCount);
    } finally {
      pool.off("acquire", watch);
      for (const [client, query] of unwatched) client.query = query;
    }
  });

  test("pages periods and invoices, newest first", async () => {
    const [page] = await ofTenant(
      acme,
      `billingPeriods(first: 2) { nodes { start status watermark invoice { number } } pageInfo { hasNextPage endCursor } }
       invoices { nodes { id number total { amount currency } tenant { id } period { status watermark } } pageInfo { hasNextPage } }`,
    );
    expect(page).toMatchObject({
      billingPeriods: {
        nodes: [
          { start: "2026-03-01T00:00:00.000Z", status: "OPEN", watermark: null, invoice: null },
          { start: "2026-02-01T00:00:00.000Z", status: "CLOSED", watermark: "6", invoice: { number: "ACME-000002" } },
        ],
        pageInfo: { hasNextPage: true },
      },
      invoices: {
        nodes: [
          { id: "inv_acme_000002", total: { amount: "0.13", currency: "EUR" } },
          { id: "inv_acme_000001", tenant: { id: "acme" }, period: { status: "CLOSED", watermark: "4" } },
        ],
        pageInfo: { hasNextPage: false },
      },
    });
    const after = (page as { billingPeriods: Page<unknown> }).billingPeriods.pageInfo.endCursor;
    expect(
      await ofTenant(acme, `billingPeriods(after: "${after}") { nodes { start } pageInfo { hasNextPage } }`),
    ).toMatchObject([
      { billingPeriods: { nodes: [{ start: "2026-01-01T00:00:00.000Z" }], pageInfo: { hasNextPage: false } } },
    ]);
  });

  test("a list of numbers and totals parses no document", async () => {
    const invoice = (await world.invoices("acme")).at(-1);
    const parsed: unknown[] = [];
    const parseJson = vi.spyOn(JSON, "parse").mockImplementation((text, reviver) => {
      parsed.push(text);
      return parseUnwatched(text, reviver);
    });
    try {
      await ofTenant(acme, "invoices { nodes { id number currency total { amount currency } sha256 } }");
      expect(parsed).not.toContain(invoice?.document);
      // It would be noticed.
      await ofTenant(acme, "invoices { nodes { number lines { amount { amount } } } }");
      expect(parsed).toContain(invoice?.document);
    } finally {
      parseJson.mockRestore();
    }
  });

  test("an operation parses an invoice's document once, wherever it shows the invoice", async () => {
    const invoice = (await world.invoices("acme")).at(-1);
    let parsed = 0;
    const parseJson = vi.spyOn(JSON, "parse").mockImplementation((text, reviver) => {
      if (text === invoice?.document) parsed += 1;
      return parseUnwatched(text, reviver);
    });
    try {
      const shown = `invoice(id: "inv_acme_00000${invoice?.ordinal}") { lines { description } }`;
      const { errors } = await ask(acme, `{ ${["a", "b", "c"].map((alias) => `${alias}: ${shown}`).join(" ")} }`);
      expect(errors).toBeUndefined();
      expect(parsed).toBe(1);
    } finally {
      parseJson.mockRestore();
    }
  });

  test("learns the size of documents before it reads them, and reads nothing that is too much", async () => {
    const { pool } = world.database;
    const keys = [1, 2, 2].map((ordinal) => ({ tenantId: "acme", ordinal }));
    const bytes = (await documentsByKey(pool, keys)).reduce(
      (sum, { document }) => sum + Buffer.byteLength(document),
      0,
    );
    const told: number[] = [];
    expect(await documentsByKey(pool, keys, (size) => told.push(size))).toHaveLength(2);
    expect(told).toEqual([bytes]);
    const refuse = () => {
      throw answerTooLarge();
    };
    await expect(documentsByKey(pool, keys, refuse)).rejects.toMatchObject({ code: "TOO_LARGE" });
  });

  test("an invoice says without its document what that says", async () => {
    const read = "invoices { nodes { document number currency total { amount currency } } }";
    const [tenant] = (await ofTenant(acme, read)) as { invoices: Page<Record<string, unknown>> }[];
    expect(tenant?.invoices.nodes).toHaveLength(2);
    for (const { document, ...head } of tenant?.invoices.nodes ?? []) {
      const { number, currency, total } = readInvoice(String(document));
      expect(head).toEqual({ number, currency, total: { amount: total, currency } });
    }
  });

  describe("of invoices with large documents", () => {
    const large = canonicalJson({ ...invoiceV2.example, buyer: { name: "💥".repeat(1_200_000), addressLines: ["x"] } });

    beforeAll(async () => {
      world.state.apply(tenant("large"));
      for (let ordinal = 1; ordinal <= 8; ordinal += 1) {
        await world.database.pool.query(
          `INSERT INTO billing_period (tenant_id, start_at, end_at, partition, status, watermark, tenancy_version,
             plan_id, plan_version, invoice_version, closing_since, closed_at, invoice_ordinal)
           SELECT 'large', $1::int, $1::int + 1, partition, status, watermark, tenancy_version, plan_id, plan_version, 2,
             closing_since, closed_at, $1::int FROM billing_period WHERE tenant_id = 'acme' AND invoice_ordinal = 1`,
          [ordinal],
        );
        await world.database.pool.query(
          `INSERT INTO invoice (tenant_id, ordinal, period_start, currency, total, sha256, document, generated_at)
           VALUES ('large', $1::int, $1::int, 'EUR', 19, '', $2, 0)`,
          [ordinal, large],
        );
      }
    });

    test("a list that shows no document needs none, however large they are", async () => {
      const fields = "invoices(first: 200) { nodes { id number status period { start } total { amount } sha256 } }";
      const [answer] = (await ofTenant(platform, fields, ["large"])) as { invoices: Page<unknown> }[];
      expect(answer?.invoices.nodes).toHaveLength(8);
      const { errors } = await ask(platform, `{ ${askedFor(8, "lines { kind }")} }`);
      expect(errors?.[0]?.originalError).toMatchObject({ code: "TOO_LARGE" });
    });

    test("a document that is too large for an answer comes in parts", async () => {
      const parts: string[] = [];
      for (let part = 0; ; part += 1) {
        const { data } = await ask(platform, `{ invoice(id: "inv_large_000001") { documentPart(part: ${part}) } }`);
        const { documentPart } = (data as { invoice: { documentPart: string | null } }).invoice;
        if (documentPart === null) break;
        parts.push(documentPart);
      }
      expect(parts).toHaveLength(3);
      expect(parts.join("") === large).toBe(true);
      const { errors } = await ask(platform, `{ invoice(id: "inv_large_000001") { documentPart(part: -1) } }`);
      expect(errors?.[0]?.originalError).toMatchObject({ code: "INVALID" });
      const many = Array.from({ length: 9 }, (_, n) => `p${n}: documentPart(part: ${n})`).join(" ");
      const tooMany = await ask(platform, `{ invoice(id: "inv_large_000001") { ${many} } }`);
      expect(tooMany.errors?.[0]?.originalError).toMatchObject({ code: "TOO_LARGE" });
    });

    test("are few in memory, and one of them parsed in a turn of the event loop, whoever asks for how many", async () => {
      const run = createGraphqlExecution(subgraph.schema);
      const { pool } = world.database;
      const query = pool.query.bind(pool) as (...args: readonly unknown[]) => Promise<unknown>;
      const [all, atOnce] = [12, 4];
      let inMemory = 0;
      let mostInMemory = 0;
      const held = vi.spyOn(pool, "query").mockImplementation((async (...args: readonly unknown[]) => {
        if (String(args[0]).includes(", i.document ")) inMemory += 1;
        mostInMemory = Math.max(mostInMemory, inMemory);
        return query(...args);
      }) as typeof pool.query);
      let parsed = 0;
      const parseJson = vi.spyOn(JSON, "parse").mockImplementation((text, reviver) => {
        if (text === large) parsed += 1;
        return parseUnwatched(text, reviver);
      });
      try {
        let isOver = false;
        const callers = Array.from({ length: all }, (_, n): Identity => ({ ...platform, id: `caller${n % 6}` }));
        const document = parse(`{ ${askedFor(1, "lines { kind }")} }`);
        const answers = Promise.all(
          callers.map((identity) =>
            run({ document, variables: {}, context: { identity } }).finally(() => {
              inMemory -= 1;
            }),
          ),
        ).finally(() => {
          isOver = true;
        });
        let most = 0;
        for (let before = 0; !isOver; before = parsed) {
          await new Promise((resolve) => setImmediate(resolve));
          most = Math.max(most, parsed - before);
        }
        for (const { errors } of await answers) expect(errors).toBeUndefined();
        expect([parsed, most]).toEqual([all, 1]);
        // Who is next may begin before the end of the one before is seen here.
        expect(mostInMemory).toBeLessThanOrEqual(2 * atOnce);
      } finally {
        parseJson.mockRestore();
        held.mockRestore();
      }
    });

    test("are few in memory also where other fields of their operations failed long before", async () => {
      const run = createGraphqlExecution(subgraph.schema);
      const { pool } = world.database;
      const query = pool.query.bind(pool) as (...args: readonly unknown[]) => Promise<unknown>;
      const [all, atOnce] = [12, 4];
      const reading = deferred();
      let [begun, parsed, most] = [0, 0, 0];
      const held = vi.spyOn(pool, "query").mockImplementation((async (...args: readonly unknown[]) => {
        if (!String(args[0]).includes(", i.document ")) return query(...args);
        begun += 1;
        most = Math.max(most, begun - parsed);
        await reading.promise;
        return query(...args);
      }) as typeof pool.query);
      const parseJson = vi.spyOn(JSON, "parse").mockImplementation((text, reviver) => {
        if (text === large) parsed += 1;
        return parseUnwatched(text, reviver);
      });
      try {
        const source = `{ failing: verifyInvoice(id: "inv_none_000001") { matches } ${askedFor(1, "lines { kind }")} }`;
        const answers = await Promise.all(
          Array.from({ length: all }, (_, n) => {
            const context = { identity: { ...platform, id: `caller${n % 6}` } };
            return run({ document: parse(source), variables: {}, context });
          }),
        );
        for (const answer of answers) expect(answer).toMatchObject({ data: null, errors: [{ path: ["failing"] }] });
        await vi.waitFor(() => expect(begun).toBeGreaterThanOrEqual(atOnce), 60_000);
        reading.resolve();
        // Every operation gets its turn.
        await vi.waitFor(() => expect(parsed).toBe(all), 60_000);
        expect(most).toBe(atOnce);
      } finally {
        reading.resolve();
        parseJson.mockRestore();
        held.mockRestore();
      }
    });

    test("a client that leaves while its query waits for the turn gives up the place: nothing is read for it", async () => {
      const run = createGraphqlExecution(subgraph.schema);
      const { pool } = world.database;
      const query = pool.query.bind(pool) as (...args: readonly unknown[]) => Promise<unknown>;
      const reading = deferred();
      let [sized, read] = [0, 0];
      const held = vi.spyOn(pool, "query").mockImplementation((async (...args: readonly unknown[]) => {
        if (String(args[0]).includes("octet_length")) return query(...args).finally(() => (sized += 1));
        if (!String(args[0]).includes(", i.document ")) return query(...args);
        read += 1;
        await reading.promise;
        return query(...args);
      }) as typeof pool.query);
      try {
        const ask = (id: string, signal?: AbortSignal) =>
          run({
            document: parse(`{ ${askedFor(1, "lines { kind }")} }`),
            variables: {},
            context: { identity: { ...platform, id }, signal },
          });
        // All turns, and then the whole line of one caller.
        const holders = ["a", "b", "c", "d"].map((id) => ask(id));
        await vi.waitFor(() => expect(read).toBe(4), 60_000);
        const leaving = new AbortController();
        const left = Array.from({ length: 8 }, () => ask("a", leaving.signal));
        await vi.waitFor(() => expect(sized).toBe(12), 60_000);
        const refused = await ask("a");
        expect(refused.errors?.[0]?.originalError).toMatchObject({ code: "BUSY" });
        leaving.abort(new Error("left"));
        for (const { errors } of await Promise.all(left)) expect(errors?.[0]?.originalError?.message).toBe("left");
        const next = ask("a");
        await vi.waitFor(() => expect(sized).toBe(14), 60_000);
        expect(read).toBe(4);
        reading.resolve();
        for (const { errors } of await Promise.all([...holders, next])) expect(errors).toBeUndefined();
        expect(read).toBe(5);
        expect((await ask("a", leaving.signal)).errors?.[0]?.originalError?.message).toBe("left");
        expect([sized, read]).toEqual([14, 5]);
      } finally {
        reading.resolve();
        held.mockRestore();
      }
    });

    const askedFor = (count: number, fields: string): string =>
      Array.from({ length: count }, (_, n) => `i${n}: invoice(id: "inv_large_00000${n + 1}") { ${fields} }`).join(" ");
  });

  test("the upcoming invoice carries the adjustment of the closed period that got late usage", async () => {
    const [upcoming] = await ofTenant(
      acme,
      "upcomingInvoice { total { amount } lines { kind amount { amount } plan { id } arithmetic { amount } adjusts { invoice { number } quantityBefore quantityAfter } } }",
    );
    // January: 3 x 0.125 = 0.375 -> 0.38, of which 0.25 is invoiced.
    expect(upcoming).toMatchObject({
      upcomingInvoice: {
        total: { amount: "0.13" },
        lines: [
          { kind: "USAGE", amount: { amount: "0.00" }, plan: { id: "pro@1" } },
          {
            kind: "ADJUSTMENT",
            amount: { amount: "0.13" },
            arithmetic: [{ amount: "0.375" }, { amount: "-0.25" }],
            adjusts: { invoice: { number: "ACME-000001" }, quantityBefore: "2", quantityAfter: "3" },
          },
        ],
      },
    });
  });

  test("answers accounting of an hour range together with the position it is of", async () => {
    const [answer] = await ofTenant(
      acme,
      `accounting(from: "2026-01-05T10:30:00Z", to: "2026-01-07T00:00:00Z") { id counted unmetered }`,
    );
    expect(answer).toMatchObject({ accounting: { counted: 2, unmetered: 1 } });
    const { id } = (answer as { accounting: { id: string } }).accounting;
    expect(JSON.parse(Buffer.from(id, "base64url").toString())).toEqual({
      tenantId: "acme",
      from: at("2026-01-05T10:00:00"),
      to: at("2026-01-07T00:00:00"),
      mark: 7,
    });
  });

  test("verifies an invoice from the ledger, lists unmetered types and previews another plan version", async () => {
    const { data, errors } = await ask(
      acme,
      `{ verifyInvoice(id: "inv_acme_000001") { matches checkedEvents differences }
         unmeteredTypes(tenantId: "acme") { eventType count }
         previewPlan(tenantId: "acme", planId: "pro", version: 2, periodStart: "2026-01-01T00:00:00Z") { total { amount } } }`,
    );
    expect(errors).toBeUndefined();
    expect(data).toMatchObject({
      verifyInvoice: { matches: true, checkedEvents: 3, differences: [] },
      unmeteredTypes: [{ eventType: "nobody.counts", count: 1 }],
      previewPlan: { total: { amount: "7.00" } },
    });
  });

  test("previews no plan version that the tenant may not see; without a version, the last that it may", async () => {
    const preview = (version: string) =>
      `{ previewPlan(tenantId: "acme", planId: "pro"${version}, periodStart: "2026-01-01T00:00:00Z") { total { amount } } }`;
    expect((await ask(acme, preview(", version: 3"))).errors).toMatchObject([
      { message: "The plan version does not exist" },
    ]);
    expect((await ask(acme, preview(""))).data).toMatchObject({ previewPlan: { total: { amount: "7.00" } } });
    expect((await ask(platform, preview(""))).data).toMatchObject({ previewPlan: { total: { amount: "9.00" } } });
  });

  test("a plan in force reproduces what it invoiced", async () => {
    const { data } = await ask(
      acme,
      `{ previewPlan(tenantId: "acme", planId: "pro", version: 1, periodStart: "2026-02-01T00:00:00Z") { total { amount } }
         invoice(id: "inv_acme_000002") { total { amount } } }`,
    );
    expect(data?.previewPlan).toEqual(data?.invoice);
  });

  test("another tenant's things answer like things that do not exist", async () => {
    expect((await ask(other, `{ invoice(id: "inv_acme_000001") { id } }`)).data).toEqual({ invoice: null });
    expect((await ask(other, `{ invoice(id: "inv_acme_999999") { id } }`)).data).toEqual({ invoice: null });
    const codes = async (source: string): Promise<unknown[]> =>
      ((await ask(other, source)).errors ?? []).map((error) => [error.message, error.originalError?.name]);
    for (const id of ["inv_acme_000001", "inv_acme_999999", "nonsense"])
      expect(await codes(`{ verifyInvoice(id: "${id}") { matches } }`)).toEqual([
        [`There is no invoice "${id}"`, "MetrlyError"],
      ]);
    expect(await codes(`{ unmeteredTypes(tenantId: "acme") { count } }`)).toEqual([
      ['There is no tenant "acme"', "MetrlyError"],
    ]);
    expect(await ofTenant(other, "", ["acme", "globex"])).toEqual([null, { id: "globex" }]);
  });

  test("a close is not asked for while the tenant has no plan, which may still be given for the period", async () => {
    world.state.apply(tenant("planless", { assignments: [] }));
    const source =
      'mutation { closeBillingPeriod(tenantId: "planless", periodStart: "2026-01-01T00:00:00Z") { status } }';
    const { errors } = await ask(platform, source);
    expect(errors?.map((error) => error.originalError)).toMatchObject([
      { code: "CONFLICT", message: expect.stringContaining("has no plan") },
    ]);
  });

  test("a close is asked for by a control record, and only for the earliest unclosed period that has ended", async () => {
    const close = (start: string) =>
      ask(
        platform,
        `mutation { closeBillingPeriod(tenantId: "globex", periodStart: "${start}") { start status closedAt } }`,
      );
    expect((await close("2026-01-01T00:00:00Z")).data).toEqual({
      closeBillingPeriod: { start: "2026-01-01T00:00:00.000Z", status: "CLOSING", closedAt: null },
    });
    const { partition } = ledgerFor("globex");
    const [record] = await log.read(USAGE_RECEIVED, partition, 0, 10);
    expect(usageReceivedV1.parse(JSON.parse(record?.value.toString() ?? ""))).toEqual({
      kind: "close",
      tenantId: "globex",
      periodStart: at("2026-01-01T00:00:00"),
      actor: "root",
      tenancyVersion: expect.any(Number),
    });
    const refused = async (start: string) => (await close(start)).errors?.map((error) => error.originalError);
    expect(await refused("2026-02-01T00:00:00Z")).toMatchObject([{ code: "CONFLICT" }]);
    const denied = await ask(
      acme,
      `mutation { closeBillingPeriod(tenantId: "acme", periodStart: "2026-03-01T00:00:00Z") { status } }`,
    );
    expect(denied.errors?.[0]?.originalError).toMatchObject({ code: "FORBIDDEN" });
    const running = await ask(
      platform,
      `mutation { closeBillingPeriod(tenantId: "acme", periodStart: "2026-03-01T00:00:00Z") { status } }`,
    );
    expect(running.errors?.[0]?.originalError).toMatchObject({ code: "CONFLICT" });
  });

  test("asking again for the close of a period that has one answers how it stands, and asks the log for nothing", async () => {
    const { partition } = ledgerFor("acme");
    const before = await log.bounds(USAGE_RECEIVED, partition);
    const { data } = await ask(
      platform,
      `mutation { closeBillingPeriod(tenantId: "acme", periodStart: "2026-01-01T00:00:00Z") {
         start status watermark closedAt invoice { id } } }`,
    );
    expect(data).toEqual({
      closeBillingPeriod: {
        start: "2026-01-01T00:00:00.000Z",
        status: "CLOSED",
        watermark: "4",
        closedAt: expect.any(String),
        invoice: { id: "inv_acme_000001" },
      },
    });
    expect(await log.bounds(USAGE_RECEIVED, partition)).toEqual(before);
  });

  test("asks the database as often for many tenants as for one", async () => {
    const fields = `usageTotals { quantity } billingPeriods { nodes { status invoice { id } } } upcomingInvoice { total { amount } }
                    invoices { nodes { number period { status } lines { adjusts { invoice { id } } } } } accounting { counted }`;
    const cost = async (ids: readonly string[]): Promise<number> => {
      statements = 0;
      await ofTenant(platform, fields, ids);
      return statements;
    };
    const one = await cost(["acme"]);
    const ids = Array.from({ length: 30 }, (_, n) => `many-${n}`);
    for (const id of ids) world.state.apply(tenant(id));
    expect(await cost([...ids, "acme"])).toBeLessThanOrEqual(one);
  });
});
