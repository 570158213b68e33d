import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Database, Transaction } from "#platform/database/database.js";
import type { PriceState } from "#schema/events/tenancy-changed.v1.js";
import type { Identity } from "#schema/policy.js";
import { hasPostgres } from "../../../tests/servers/servers.js";
import { createInvoiceReads } from "../graph/invoice-reads.js";
import {
  at,
  type BillingWorld,
  billingWorld,
  ledgerFor,
  linesOf,
  meter,
  PARTITIONS,
  planVersion,
  price,
  tenant,
  usage,
} from "../world.testing.js";
import { closeTenant } from "./close.js";

const MARCH = at("2026-03-01T00:00:00");
const root: Identity = { kind: "USER", id: "root", tenantId: null, roles: [], scopes: [] };

describe.skipIf(!hasPostgres)("pricing", () => {
  let world: BillingWorld;
  let database: Database;
  /** Statements of transactions so far. */
  let statements: number;
  let openTransactions: number;
  /** Turns of the event loop so far. */
  let turns: number;
  let stopTurns: () => void;
  /** Each time a quantity was priced. */
  let priced: { readonly statements: number; readonly openTransactions: number; readonly turns: number }[];

  /** Of which each pricing is noted. */
  function notedPrice(): PriceState {
    return Object.defineProperty(price({ meter: "calls", model: "PER_UNIT", catchAll: true }), "unitAmount", {
      enumerable: true,
      get() {
        priced.push({ statements, openTransactions, turns });
        return "1";
      },
    });
  }

  const counting = (tx: Transaction): Transaction =>
    new Proxy(tx, {
      get(target, key) {
        if (key === "query") statements += 1;
        const value: unknown = Reflect.get(target, key);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });

  beforeEach(async () => {
    world = await billingWorld();
    [statements, openTransactions, turns, priced] = [0, 0, 0, []];
    const transaction: Database["transaction"] = async (work) => {
      openTransactions += 1;
      try {
        return await world.database.transaction((tx) => work(counting(tx)));
      } finally {
        openTransactions -= 1;
      }
    };
    database = { ...world.database, transaction, under: () => ({ ...world.database, transaction }) };
    let turn = setImmediate(function count() {
      turns += 1;
      turn = setImmediate(count);
    });
    stopTurns = () => clearImmediate(turn);
    world.state.apply(meter("calls"));
    const versions = [planVersion({ prices: [notedPrice()] })];
    world.state.apply({ kind: "plan", id: "pro", version: 1, name: "Pro", archived: false, versions });
  });
  afterEach(() => {
    stopTurns();
    return world.stop();
  });

  test("of previews happens after their transaction, each tenant's in a turn of the event loop of its own", async () => {
    const ids = ["one", "two", "three"];
    for (const id of ids) world.state.apply(tenant(id));
    const reads = createInvoiceReads({ ...world, database, partitions: PARTITIONS });
    const context = { identity: root };
    const asked = { planId: "pro", version: 1, periodStart: MARCH, isOwn: false };
    await Promise.all(ids.map((tenantId) => reads.preview(context, { ...asked, tenantId })));
    expect(priced.filter((each) => each.openTransactions > 0)).toEqual([]);
    expect(new Set(priced.map((each) => each.turns)).size).toBe(ids.length);
  });

  test("of a close sends a statement before each period, so that its transaction is never silent for long", async () => {
    world.state.apply(tenant("acme"));
    const ledger = ledgerFor("acme");
    const tick = (text: string) => ledger.record({ kind: "tick", at: at(text) });
    for (const month of ["02", "03"]) {
      tick(`2026-${month}-04T00:00:00`);
      await world.deliver(ledger);
      await world.close("acme");
    }
    ledger.record(usage("acme", "a", at("2026-01-05T10:00:00")), usage("acme", "b", at("2026-02-05T10:00:00")));
    ledger.record(usage("acme", "c", at("2026-03-05T10:00:00")));
    tick("2026-04-04T00:00:00");
    await world.deliver(ledger);
    priced = [];
    await closeTenant({ ...world, database }, "acme");
    expect(linesOf((await world.invoices("acme")).at(-1)).map((line) => line.kind)).toEqual([
      "USAGE",
      "ADJUSTMENT",
      "ADJUSTMENT",
    ]);
    expect(priced.every((each) => each.openTransactions === 1)).toBe(true);
    expect(new Set(priced.map((each) => each.statements)).size).toBe(3);
  });

  test("of a tenant without a plan reads no usage, not even of meters that are not known here yet", async () => {
    world.state.apply(tenant("planless", { assignments: [] }));
    await world.database.pool.query(
      `INSERT INTO usage_delta (tenant_id, seq, meter, hour, dimensions, value, quantity, event_count, last_event_at, recorded_hour)
       VALUES ('planless', 1, 'new', $1, '[]', '', 1, 1, $1, $1)`,
      [MARCH],
    );
    const reads = createInvoiceReads({ ...world, database, partitions: PARTITIONS });
    expect(await reads.upcoming({ identity: root }, "planless")).toBeUndefined();
    const withoutUsage = statements;
    world.state.apply(tenant("planned"));
    expect(await reads.upcoming({ identity: root }, "planned")).toBeDefined();
    expect(statements).toBeGreaterThan(2 * withoutUsage);
  });
});
