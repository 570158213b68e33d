import { parse } from "graphql";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { EventLog } from "#platform/event-log/event-log.js";
import { createGraphqlExecution } from "#platform/graphql/execution.js";
import type { Subgraph } from "#platform/graphql/subgraph.js";
import { auditRecordedV1 } from "#schema/events/audit-recorded.v1.js";
import { usageReceivedV1 } from "#schema/events/usage-received.v1.js";
import type { Identity } from "#schema/policy.js";
import { USAGE_RECEIVED } from "#schema/topics.js";
import { hasPostgres } from "../../../tests/servers/servers.js";
import {
  at,
  type BillingWorld,
  billingWorld,
  type DraftEntry,
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
const acme: Identity = { kind: "API_KEY", id: "key", tenantId: "acme", roles: ["TENANT_ADMIN"], scopes: ["ADMIN"] };
const NOW = at("2026-03-10T00:30:00");

describe.skipIf(!hasPostgres)("credits in the graph", () => {
  let world: BillingWorld;
  let subgraph: Subgraph;
  const ledgers = new Map<number, TestLedger>();
  const audited: string[] = [];

  /** A recorder that repeats each record. */
  const log: Pick<EventLog, "append"> = {
    async append(topic, partition, records) {
      for (const { value } of records) {
        if (topic !== USAGE_RECEIVED) {
          audited.push(auditRecordedV1.read(String(value)).action);
          continue;
        }
        const record = usageReceivedV1.read(String(value));
        if (record.kind !== "creditGrant" && record.kind !== "creditVoid") throw new Error("another record");
        const { tenancyVersion: _, ...entry } = record;
        const ledger = ledgers.get(partition);
        ledger?.record({ ...entry, recordedAt: world.clock.now() }, { ...entry, recordedAt: world.clock.now() });
        if (ledger !== undefined) await world.deliver(ledger, [1, 1]);
      }
    },
  };

  beforeAll(async () => {
    world = await billingWorld();
    world.clock.set(NOW);
    world.state.apply(meter("calls"));
    const prices = [price({ meter: "calls", model: "PER_UNIT", unitAmount: "1.5" })];
    world.state.apply({
      ...{ kind: "plan", id: "pro", version: 1, name: "Pro", archived: false },
      versions: [planVersion({ prices })],
    });
    world.state.apply(tenant("acme"));
    world.state.apply(tenant("planless", { assignments: [], currency: null }));
    const ledger = ledgerFor("acme");
    ledgers.set(ledger.partition, ledger);
    subgraph = await createBillingSubgraph({
      ...{ database: world.database, tenancy: world.tenancy, clock: world.clock, partitions: PARTITIONS },
      ledger: ledgerClientOf([...ledgers.values()]),
      log: log as EventLog,
    });
  });
  afterAll(() => world.stop());

  const run = async (identity: Identity, text: string, variables: Record<string, unknown> = {}) =>
    createGraphqlExecution(subgraph.schema)({ document: parse(text), variables, context: { identity } });
  const codeOf = ({ errors }: Awaited<ReturnType<typeof run>>) => {
    const original: unknown = errors?.[0]?.originalError;
    return original instanceof Error && "code" in original ? original.code : original;
  };
  const grant = (input: object, identity = platform) =>
    run(
      identity,
      "mutation ($i: GrantCreditsInput!) { grantCredits(input: $i) { id amount drawn remaining status seq } }",
      {
        i: { tenantId: "acme", amount: "10", reason: "bought", ...input },
      },
    );
  const creditsOf = async (fields: string, asOf = "") => {
    const { data, errors } = await run(
      acme,
      `{ _entities(representations: [{ __typename: "Tenant", id: "acme" }]) { ... on Tenant { credits${asOf} { ${fields} } } } }`,
    );
    expect(errors).toBeUndefined();
    return (data as { _entities: { credits: Record<string, unknown> }[] })._entities[0]?.credits;
  };
  const record = async (...drafts: DraftEntry[]) => {
    const ledger = ledgerFor("acme");
    const own = ledgers.get(ledger.partition) ?? ledger;
    own.record(...drafts);
    await world.deliver(own);
  };
  const told = async () => {
    const { rows } = await world.database.pool.query<{ value: string }>("SELECT value FROM outbox ORDER BY id");
    return rows.map(({ value }) => {
      const { type, data } = JSON.parse(value);
      return `${type} ${data.grantId} ${data.amount}`;
    });
  };
  const SUMS = "currency granted drawn expired voided available reserved";

  test("a grant counts once however often it is asked for or recorded, and another one with its id is a conflict", async () => {
    const first = await grant({ id: "g1", expiresAt: "2026-04-01T00:00:00Z" });
    expect(first.data?.grantCredits).toMatchObject({ id: "g1", amount: "10.00", remaining: "10.00", status: "ACTIVE" });
    expect((await grant({ id: "g1", amount: "10.00", expiresAt: "2026-04-01T00:00:00Z" })).data).toEqual(first.data);
    expect(codeOf(await grant({ id: "g1", amount: "11", expiresAt: "2026-04-01T00:00:00Z" }))).toBe("CONFLICT");
    expect(codeOf(await grant({ id: "g1" }))).toBe("CONFLICT");
    expect(await creditsOf(SUMS)).toEqual({
      ...{ currency: "EUR", granted: "10.00", drawn: "0.00", expired: "0.00", voided: "0.00" },
      ...{ available: "10.00", reserved: "0.00" },
    });
    expect(audited).toContain("credits.grant");
    expect(await told()).toEqual(["metrly.credits.granted.v1 g1 10.00"]);
  });

  test("refuses what cannot be granted, and grants of others than the platform", async () => {
    for (const wrong of [
      { amount: "0" },
      { amount: "-1" },
      { amount: "1.005" },
      { expiresAt: "2026-03-10T00:30:00Z" },
      { reason: " " },
      { id: "a/b" },
    ])
      expect([wrong, codeOf(await grant(wrong))]).toEqual([wrong, "INVALID"]);
    expect(codeOf(await grant({ tenantId: "planless" }))).toBe("CONFLICT");
    expect(codeOf(await grant({ tenantId: "nobody" }))).toBe("NOT_FOUND");
    expect(codeOf(await grant({}, acme))).toBe("FORBIDDEN");
    expect(codeOf(await grant({ reason: "r".repeat(1_001) }))).toBe("INVALID");
  });

  test("the preview pays what is due without usage from the period's start on, though no entry has begun the period", async () => {
    const { state } = world;
    state.apply({
      ...{ kind: "plan", id: "flat", version: 1, name: "Flat", archived: false },
      versions: [planVersion({ prices: [price({ meter: "calls", model: "FLAT", unitAmount: "8" })] })],
    });
    const startsAt = at("2026-02-10T00:00:00");
    const [planned] = tenant("x").assignments;
    if (planned === undefined) throw new Error("a tenant has a plan");
    state.apply(
      tenant("clock", {
        testClock: startsAt,
        startsAt,
        assignments: [{ ...planned, planId: "flat", effectiveFrom: 0 }],
      }),
    );
    const own = ledgerFor("clock");
    ledgers.set(own.partition, own);
    const granted = await run(
      platform,
      'mutation { grantCredits(input: { tenantId: "clock", id: "c", amount: "5", reason: "r" }) { id grantedAt } }',
    );
    expect(granted.data?.grantCredits).toEqual({ id: "c", grantedAt: "2026-02-10T00:00:00.000Z" });
    const upcoming = async () => {
      const { data } = await run(
        platform,
        '{ _entities(representations: [{ __typename: "Tenant", id: "clock" }]) { ... on Tenant { upcomingInvoice { lines { kind amount { amount } grantId } } } } }',
      );
      return data?._entities;
    };
    const usageLine = { kind: "USAGE", amount: { amount: "8.00" }, grantId: null };
    // It was due when the grant came.
    expect(await upcoming()).toEqual([{ upcomingInvoice: { lines: [usageLine] } }]);
    state.apply(
      tenant("clock", {
        ...{ version: 2, testClock: at("2026-03-02T00:00:00"), startsAt },
        assignments: [{ ...planned, planId: "flat", effectiveFrom: 0 }],
      }),
    );
    const paid = { kind: "CREDIT", amount: { amount: "-5.00" }, grantId: "c" };
    expect(await upcoming()).toEqual([{ upcomingInvoice: { lines: [usageLine, paid] } }]);
    own.record({
      kind: "close",
      tenantId: "clock",
      periodStart: at("2026-02-01T00:00:00"),
      actor: "a",
      tenancyVersion: 2,
    });
    await world.deliver(own);
    expect(await upcoming()).toEqual([{ upcomingInvoice: { lines: [usageLine, paid] } }]);
  });

  test("a tenant has at most 1,000 grants that are not used up", async () => {
    const { pool } = world.database;
    await pool.query(
      `INSERT INTO credit_grant (tenant_id, grant_id, seq, amount, currency, priority, granted_at, recorded_at, reason, actor, drawn)
       SELECT 'acme', 'many' || n, 1000000 + n, 1, 'EUR', 0, 0, 0, 'r', 'a', CASE WHEN n > 998 THEN 1 ELSE 0 END
         FROM generate_series(1, 1200) n`,
    );
    try {
      expect((await grant({ id: "last" })).data?.grantCredits).toMatchObject({ id: "last" });
      expect(codeOf(await grant({ id: "beyond" }))).toBe("CONFLICT");
      // A repeat of one that is there is none more.
      expect((await grant({ id: "last" })).errors).toBeUndefined();
    } finally {
      await pool.query("DELETE FROM credit_grant WHERE grant_id LIKE 'many%' OR grant_id = 'last'");
    }
  });

  test("shows what became of grants, also as known at a past hour", async () => {
    const time = NOW + 60_000;
    await record(usage("acme", "1", time), usage("acme", "2", time));
    world.clock.set(at("2026-03-10T02:00:00"));
    const second = await grant({ id: "g2", amount: "4", priority: -1 });
    expect(second.data?.grantCredits).toMatchObject({ status: "ACTIVE" });
    await record({ ...usage("acme", "3", time), recordedAt: world.clock.now() } as DraftEntry);
    const voided = await run(
      platform,
      'mutation { voidCredits(tenantId: "acme", grantId: "g2", reason: "back") { status drawn remaining } }',
    );
    expect(voided.data?.voidCredits).toEqual({ status: "VOIDED", drawn: "1.50", remaining: "0.00" });
    expect((await told()).at(-1)).toBe("metrly.credits.voided.v1 g2 2.50");
    const again = 'mutation { voidCredits(tenantId: "acme", grantId: "none", reason: "back") { status } }';
    expect(codeOf(await run(platform, again))).toBe("NOT_FOUND");
    expect(await creditsOf(SUMS)).toMatchObject({ granted: "14.00", drawn: "4.50", voided: "2.50", available: "7.00" });
    expect(await creditsOf(SUMS, '(asOf: "2026-03-10T01:59:00Z")')).toMatchObject({ granted: "10.00", drawn: "3.00" });
    expect(await creditsOf(SUMS, '(asOf: "2026-03-10T00:59:00Z")')).toMatchObject({ granted: "0.00", drawn: "0.00" });
    const page = await creditsOf("grants(first: 1) { nodes { id } pageInfo { hasNextPage endCursor } }");
    expect(page).toMatchObject({ grants: { nodes: [{ id: "g2" }], pageInfo: { hasNextPage: true } } });
    world.clock.set(at("2026-04-02T00:00:00"));
    expect(await creditsOf(`${SUMS} grants { nodes { id status } }`)).toMatchObject({
      ...{ expired: "7.00", available: "0.00" },
      grants: {
        nodes: [
          { id: "g2", status: "VOIDED" },
          { id: "g1", status: "EXPIRED" },
        ],
      },
    });
  });
});
