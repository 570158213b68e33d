import { execute, parse } from "graphql";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { EventLog } from "#platform/event-log/event-log.js";
import type { Subgraph } from "#platform/graphql/subgraph.js";
import type { Identity } from "#schema/policy.js";
import { hasPostgres } from "../../../tests/servers/servers.js";
import { mergeRecorded } from "../merge.js";
import { UNBOUNDED } from "../store/usage.js";
import {
  at,
  type BillingWorld,
  billingWorld,
  ledgerClientOf,
  ledgerFor,
  meter,
  PARTITIONS,
  tenant,
  usage,
} from "../world.testing.js";
import { createBillingSubgraph } from "./resolvers.js";

const acme: Identity = { kind: "API_KEY", id: "key", tenantId: "acme", roles: ["TENANT_VIEWER"], scopes: ["READ"] };
const noLog = { append: () => Promise.reject(new Error("nothing is appended")) } as unknown as EventLog;

describe.skipIf(!hasPostgres)("the last event of a total", () => {
  let world: BillingWorld;
  let subgraph: Subgraph;
  beforeAll(async () => {
    world = await billingWorld();
    world.state.apply(meter("calls"));
    world.state.apply(meter("users", { aggregation: "UNIQUE", valueProperty: "user" }));
    world.state.apply(tenant("acme"));
    world.clock.set(at("2026-01-20T00:00:00"));
  });
  afterAll(() => world.stop());

  async function lastEvents(): Promise<unknown> {
    const source = `{ _entities(representations: [{ __typename: "Tenant", id: "acme" }]) { ... on Tenant {
      usageTotals { meter eventCount lastEventAt } } } }`;
    const { data } = await execute({
      schema: subgraph.schema,
      document: parse(source),
      contextValue: { identity: acme },
    });
    return JSON.parse(JSON.stringify(data))._entities[0].usageTotals.map(
      (total: { lastEventAt: string }) => total.lastEventAt,
    );
  }

  test("forgets voided events, one by one, also of merged deltas and of one moment", async () => {
    const ledger = ledgerFor("acme");
    subgraph = await createBillingSubgraph({
      ...{ database: world.database, tenancy: world.tenancy, clock: world.clock, partitions: PARTITIONS, log: noLog },
      ledger: ledgerClientOf([ledger]),
    });
    const both = async (moment: string) => {
      await world.deliver(ledger);
      expect(await lastEvents()).toEqual([`${moment}.000Z`, `${moment}.000Z`]);
      await mergeRecorded({ ...world, partitions: PARTITIONS }, UNBOUNDED);
      expect(await lastEvents()).toEqual([`${moment}.000Z`, `${moment}.000Z`]);
    };
    const days = ["05", "12", "19"].map((day) => at(`2026-01-${day}T10:00:00`));
    ledger.record(...days.map((time, n) => usage("acme", `e${n}`, time, { user: n })));
    ledger.record(usage("acme", "twin", at("2026-01-19T10:00:00"), { user: 7 }));
    await both("2026-01-19T10:00:00");
    ledger.record(ledger.voidOf("e2"));
    await both("2026-01-19T10:00:00");
    ledger.record(ledger.voidOf("twin"));
    await both("2026-01-12T10:00:00");
    ledger.record(ledger.voidOf("e0"));
    await both("2026-01-12T10:00:00");
  });
});
