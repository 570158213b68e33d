import { manualClock } from "#kernel/clock.js";
import { openDatabase } from "#platform/database/database.js";
import { connectPostgresLog } from "#platform/event-log/postgres/log.js";
import type { MeterState, PlanState, PriceState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import { TOPICS } from "#schema/topics.js";
import { createMigratedDatabase } from "../../tests/servers/migrated.js";
import { PATIENT_LIMITS } from "../../tests/support/patient-limits.js";
import { createMeter } from "./changes/meters.js";
import { createPlan } from "./changes/plans.js";
import { createTenant } from "./changes/tenants.js";
import { createTenancyStore } from "./store/store.js";

/** A moment in the middle of a billing period: 2026-11-15, 12:00 UTC. */
export const NOW = Date.UTC(2026, 10, 15, 12);
export const ACTOR = "user:test";

/** For tests: a store on a database of its own, and short ways to fill it. */
export async function openWorld(onCommitted: () => void = () => undefined) {
  const created = await createMigratedDatabase("tenancy");
  const background = backgroundErrors();
  const database = await openDatabase({
    url: created.url,
    profiles: PATIENT_LIMITS,
    onError: background.onError,
  });
  const clock = manualClock(NOW);
  const store = createTenancyStore({ database, clock, partitions: 3, onCommitted });
  const anotherProcess = createTenancyStore({ database, clock, partitions: 3, onCommitted });
  return {
    url: created.url,
    store,
    /** A second store on the same database, as another process would have it. */
    anotherProcess,
    clock,
    database,
    meter: (id: string, dimensions: string[] = []): Promise<MeterState> =>
      createMeter(store, ACTOR, countMeter(id, dimensions)),
    plan: (id: string, meter: string, unitAmount = "0.01"): Promise<PlanState> =>
      createPlan(store, ACTOR, { id, name: id, version: terms(meter, unitAmount) }),
    tenant: (id: string, planId?: string): Promise<TenantState> => createTenant(store, ACTOR, newTenant(id, planId)),
    /** The states that wait to be published, in the order in which they will be. */
    async outbox(): Promise<{ key: string; version: number }[]> {
      const { rows } = await database.pool.query<{ key: string; value: string }>(
        "SELECT key, value FROM outbox ORDER BY id",
      );
      return rows.map(({ key, value }) => ({ key, version: JSON.parse(value).version }));
    },
    async close(): Promise<void> {
      background.expectFromNow();
      await Promise.all([store.stop(), anotherProcess.stop()]);
      await database.stop();
      await created.drop();
    },
  };
}

export type World = Awaited<ReturnType<typeof openWorld>>;

/** For tests: an event log on a database of its own, with every topic. */
export async function openLog() {
  const created = await createMigratedDatabase("log");
  const background = backgroundErrors();
  const database = await openDatabase({
    url: created.url,
    profiles: PATIENT_LIMITS,
    onError: background.onError,
  });
  const log = await connectPostgresLog({ database, onError: background.onError });
  await log.ensureTopics(TOPICS, 1);
  return {
    log,
    async close(): Promise<void> {
      background.expectFromNow();
      await log.stop();
      await database.stop();
      await created.drop();
    },
  };
}

export const countMeter = (id: string, dimensions: string[] = []) => ({
  id,
  name: id,
  eventType: `type.${id}`,
  aggregation: "COUNT" as const,
  valueProperty: null,
  dimensions,
  unit: null,
  backfill: false,
});

export const newTenant = (id: string | undefined, planId?: string) => ({
  id,
  name: id ?? "Nameless",
  planId,
  startsAt: undefined,
  billingAnchorDay: 1,
  graceDays: 3,
  testClock: null,
});

export const terms = (meter: string, unitAmount = "0.01") => ({
  currency: "EUR",
  recurringFee: "10.5",
  minimumCommit: "0",
  prices: [perUnit(meter, unitAmount)],
  limits: [],
});

const perUnit = (meter: string, unitAmount: string): PriceState => ({
  meter,
  model: "PER_UNIT",
  included: "0",
  unitAmount,
  packageSize: null,
  ratePercent: null,
  tiers: [],
  divideBy: "1",
  roundUp: false,
  minimumAmount: null,
  maximumAmount: null,
  discountPercent: "0",
  where: [],
});

/** Nothing may go wrong in the background of a test; what its end cuts off is none of that. */
function backgroundErrors() {
  let closing = false;
  return {
    onError(error: unknown): void {
      if (closing) return;
      setImmediate(() => {
        throw error;
      });
    },
    expectFromNow(): void {
      closing = true;
    },
  };
}
