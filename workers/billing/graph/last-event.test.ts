import fc from "fast-check";
import { execute, parse } from "graphql";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HOUR_MS } from "#kernel/duration.js";
import { hourOf } from "#kernel/period.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import type { Subgraph } from "#platform/graphql/subgraph.js";
import { migrationsDirOf } from "#platform/process/package-root.js";
import type { Identity } from "#schema/policy.js";
import { hasPostgres } from "../../../tests/servers/servers.js";
import { runs } from "../../../tests/support/effort.js";
import { mergeRecorded } from "../merge.js";
import { rebuild } from "../rebuild/rebuild.js";
import { UNBOUNDED } from "../store/usage.js";
import {
  at,
  type BillingWorld,
  billingWorld,
  ledgerClientOf,
  ledgerFor,
  meter,
  PARTITIONS,
  type TestLedger,
  tenant,
  usage,
} from "../world.testing.js";
import { createBillingSubgraph } from "./resolvers.js";
import { createUsageReads } from "./usage-reads.js";

const acme: Identity = { kind: "API_KEY", id: "key", tenantId: "acme", roles: ["TENANT_VIEWER"], scopes: ["READ"] };
const noLog = { append: () => Promise.reject(new Error("nothing is appended")) } as unknown as EventLog;

describe.skipIf(!hasPostgres)("the last event of a total", () => {
  let world: BillingWorld;
  let subgraph: Subgraph;
  const ledgers = new Map<number, TestLedger>();
  beforeAll(async () => {
    world = await billingWorld();
    world.state.apply(meter("calls"));
    world.state.apply(meter("users", { aggregation: "UNIQUE", valueProperty: "user" }));
    world.state.apply(tenant("acme"));
    world.state.apply(meter("peak", { aggregation: "MAX", valueProperty: "user" }));
    world.clock.set(at("2026-01-20T00:00:00"));
    subgraph = await createBillingSubgraph({
      ...{ database: world.database, tenancy: world.tenancy, clock: world.clock, partitions: PARTITIONS, log: noLog },
      ledger: ledgerClientOf([]),
    });
  });
  afterAll(() => world.stop());

  /** One per partition: tenants share it. */
  function ledgerWith(tenantId: string): TestLedger {
    const own = ledgerFor(tenantId);
    const ledger = ledgers.get(own.partition) ?? own;
    ledgers.set(own.partition, ledger);
    return ledger;
  }

  async function totals(tenantId: string, asked = ""): Promise<{ from: string; lastEventAt: string | null }[]> {
    const source = `{ _entities(representations: [{ __typename: "Tenant", id: "${tenantId}" }]) { ... on Tenant {
      usageTotals${asked} { from lastEventAt } } } }`;
    const { data } = await execute({
      schema: subgraph.schema,
      document: parse(source),
      contextValue: { identity: { ...acme, tenantId } },
    });
    return JSON.parse(JSON.stringify(data))._entities[0].usageTotals;
  }

  const lastEvents = async (tenantId = "acme", asked = "") =>
    (await totals(tenantId, asked)).map(({ lastEventAt }) => lastEventAt);
  const merge = () => mergeRecorded({ ...world, partitions: PARTITIONS }, UNBOUNDED);

  test("forgets voided events, one by one, also of merged deltas and of one moment", async () => {
    const ledger = ledgerWith("acme");
    const both = async (moment: string) => {
      await world.deliver(ledger);
      expect(await lastEvents()).toEqual([1, 2, 3].map(() => `${moment}.000Z`));
      await merge();
      expect(await lastEvents()).toEqual([1, 2, 3].map(() => `${moment}.000Z`));
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

  test("is exact also among events of one hour, merged or not, down to none, and with late older ones", async () => {
    world.state.apply(tenant("hourly"));
    const ledger = ledgerWith("hourly");
    const minute = (n: number) => at(`2026-01-19T10:${String(n).padStart(2, "0")}:00.007`);
    const isLast = async (n: number | null) => {
      await world.deliver(ledger);
      const expected = n === null ? [null, null, null] : [1, 2, 3].map(() => new Date(minute(n)).toISOString());
      expect(await lastEvents("hourly")).toEqual(expected);
    };
    const record = (...minutes: readonly number[]) =>
      ledger.record(...minutes.map((n) => usage("hourly", `m${n}`, minute(n), { user: n % 3 })));
    record(10, 50, 30, 40);
    await isLast(50);
    ledger.record(ledger.voidOf("m50"));
    await isLast(40);
    await merge();
    await isLast(40);
    record(45, 20);
    ledger.record(ledger.voidOf("m45"), ledger.voidOf("m40"));
    await isLast(30);
    await merge();
    ledger.record(ledger.voidOf("m10"), ledger.voidOf("m30"));
    await isLast(20);
    ledger.record(ledger.voidOf("m20"));
    await isLast(null);
    record(5);
    await isLast(5);
    await merge();
    await isLast(5);
  });

  test("deltas of before there were times are told from rebuilt ones where an hour has voids, and are replaced", async () => {
    world.state.apply(tenant("before"));
    const ledger = ledgerWith("before");
    const times = [10, 20, 30, 40].map((n) => at(`2026-01-19T10:${n}:00`));
    ledger.record(...times.map((time, n) => usage("before", `b${n}`, time, { user: 1 })));
    await world.deliver(ledger);
    await merge();
    await world.database.pool.query("DELETE FROM usage_merged_times WHERE tenant_id = 'before'");
    const rebuilt = async () => {
      const options = { ...world, ledger: ledgerClientOf([ledger]), migrationsDir: migrationsDirOf("billing") };
      const request = { tenantId: "before", checkOnly: false };
      const steps = rebuild({ ...options, partitions: PARTITIONS, onError: () => undefined }, request);
      for await (const step of steps) if (step.kind === "done") return step;
    };
    expect(await rebuilt()).toMatchObject({ differences: 0, replaced: false });
    ledger.record(ledger.voidOf("b3"));
    await world.deliver(ledger);
    expect(await rebuilt()).toMatchObject({ differences: 1, replaced: true });
    const last = "2026-01-19T10:30:00.000Z";
    expect(await lastEvents("before")).toEqual([last, last, last]);
    await merge();
    expect(await rebuilt()).toMatchObject({ differences: 0, replaced: false });
    expect(await lastEvents("before")).toEqual([last, last, last]);
  });

  test("is exact for what a backfill counts, whether it was voided before the backfill or after", async () => {
    world.state.apply(tenant("filled"));
    const ledger = ledgerWith("filled");
    const times = [10, 20, 30, 40].map((n) => at(`2026-01-19T10:${n}:00`));
    ledger.record(...times.map((time, n) => usage("filled", `f${n}`, time, {}, "old.type")));
    ledger.record(ledger.voidOf("f3"));
    await world.deliver(ledger);
    world.state.apply(meter("filled", { eventType: "old.type", version: 2, createdInVersion: 2, backfill: true }));
    ledger.record({ kind: "backfill", meterKey: "filled", tenancyVersion: 2 });
    await world.deliver(ledger);
    const last = () => lastEvents("filled", '(meter: "filled")');
    expect(await last()).toEqual(["2026-01-19T10:30:00.000Z"]);
    ledger.record({ ...ledger.voidOf("f2"), tenancyVersion: 2 });
    await world.deliver(ledger);
    expect(await last()).toEqual(["2026-01-19T10:20:00.000Z"]);
    await merge();
    expect(await last()).toEqual(["2026-01-19T10:20:00.000Z"]);
  });

  test("is read for many meters and hours together, each with its own", async () => {
    const [meters, hours, start] = [12, 100, at("2026-01-01T00:00:00")];
    const keys = Array.from({ length: meters }, (_, n) => `many${n}`);
    for (const id of keys) world.state.apply(meter(id, { eventType: "many" }));
    world.state.apply(tenant("many"));
    // Two events in each hour, of which the second is voided, but not in every seventh.
    await world.database.pool.query(
      `INSERT INTO usage_delta (tenant_id, seq, meter, hour, dimensions, value, quantity, event_count, last_event_at, recorded_hour)
       SELECT 'many', seq, m, hour, '[]', '', n, n, hour + last, hour
         FROM unnest($1::text[]) WITH ORDINALITY AS meter(m, k), generate_series(0, $2::bigint - 1) AS h,
              LATERAL (SELECT $3::bigint + h * 3600000 AS hour) AS hours,
              (VALUES (1, 1, 1), (2, 1, 2), (3, -1, 2)) AS delta(seq, n, last)
        WHERE n > 0 OR (h + k) % 7 > 0`,
      [keys, hours, start],
    );
    await world.database.pool.query("ANALYZE usage_delta");
    let statements = 0;
    const counted: BillingWorld["database"] = {
      ...world.database,
      transaction: (work) =>
        world.database.transaction((tx) => {
          const query = (...given: Parameters<typeof tx.query>) => {
            statements += 1;
            return tx.query(...given);
          };
          return work(Object.assign(Object.create(tx), { query }));
        }),
    };
    const { usageTotals } = createUsageReads({ ...world, database: counted, partitions: PARTITIONS });
    const asked = { periodStart: null, meter: null, asOf: null, groupBy: [] } as const;
    const context = { identity: { ...acme, tenantId: "many" } };
    const found = await usageTotals(context, "many", { ...asked, granularity: "HOUR" });
    const shown = found.map((total) => `${total.meter} ${total.lastEventAt}`);
    const expected = keys.flatMap((key, k) =>
      Array.from({ length: hours }, (_, h) => `${key} ${start + h * HOUR_MS + ((h + k + 1) % 7 > 0 ? 1 : 2)}`),
    );
    expect(shown).toEqual(expected.sort());
    expect(statements).toBeLessThan(20);
  });

  test("is that of the events that are left in random stories, for every hour and the period, merged or not", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), fc.uuid(), async (steps, tenantId) => {
        world.state.apply(tenant(tenantId));
        const ledger = ledgerWith(tenantId);
        const left = new Map<string, number>();
        for (const [index, one] of steps.entries()) {
          if (one.kind === "events")
            for (const [n, { time, user }] of one.events.entries()) {
              ledger.record(usage(tenantId, `${tenantId}${index}/${n}`, at("2026-01-19T10:00:00") + time, { user }));
              left.set(`${tenantId}${index}/${n}`, at("2026-01-19T10:00:00") + time);
            }
          else if (one.kind === "void") {
            const id = [...left.keys()].sort()[one.which % Math.max(1, left.size)];
            if (id === undefined) continue;
            ledger.record(ledger.voidOf(id));
            left.delete(id);
          } else if (one.kind === "deliver") await world.deliver(ledger);
          else await merge();
        }
        await world.deliver(ledger);
        const hours = [...new Set([...left.values()].map(hourOf))].sort();
        const expected = hours.map((hour) => Math.max(...[...left.values()].filter((time) => hourOf(time) === hour)));
        const shown = async () => {
          const found = await totals(tenantId, '(meter: "calls", granularity: HOUR)');
          return found.flatMap(({ lastEventAt }) => (lastEventAt === null ? [] : [Date.parse(lastEventAt)])).sort();
        };
        const ofPeriod = expected.length === 0 ? [] : [new Date(Math.max(...expected)).toISOString()];
        const wholePeriod = async () => (await lastEvents(tenantId)).filter((last) => last !== null);
        expect(await shown()).toEqual(expected);
        expect(await wholePeriod()).toEqual([1, 2, 3].flatMap(() => ofPeriod));
        await merge();
        expect(await shown()).toEqual(expected);
        expect(await wholePeriod()).toEqual([1, 2, 3].flatMap(() => ofPeriod));
      }),
      { numRuns: runs(8) },
    );
  });
});

/** Of three hours, with few different moments. */
const event = fc.record({ time: fc.nat(7).map((n) => n * 1_500_001), user: fc.nat(2) });
const step = fc.oneof(
  fc.record({ kind: fc.constant("events" as const), events: fc.array(event, { minLength: 1, maxLength: 5 }) }),
  fc.record({ kind: fc.constant("void" as const), which: fc.nat(50) }),
  fc.record({ kind: fc.constantFrom("deliver" as const, "merge" as const) }),
);
