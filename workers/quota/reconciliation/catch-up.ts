import { partitionOf } from "#kernel/partition.js";
import type { Database } from "#platform/database/database.js";
import type { LedgerClient } from "#platform/ledger/client.js";
import { type LedgerRange, ledgerPages } from "#platform/ledger/pages.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { isPeriodWindow } from "#schema/vocabulary.js";
import type { PeriodTotal, QuotaCounters } from "../counters/counters.js";
import { type CounterLoader, factsWanted } from "../gate/loader.js";
import type { LimitedTenant, TenantLimits } from "../gate/tenant-limits.js";
import { amountOf } from "../rules/amount.js";
import { counterId, isFamily } from "../rules/limits.js";
import { totalsOfPeriods } from "../rules/period-totals.js";
import { seriesOf } from "../rules/scopes.js";
import { usageReadings } from "../rules/usage.js";
import type { UsageReading } from "../rules/usage-reading.js";
import { settleRequests } from "../settlement.js";
import { readFacts, type TenantFacts } from "../store/loading.js";

export interface CatchUpOptions {
  readonly database: Database;
  readonly counters: QuotaCounters;
  readonly loader: Pick<CounterLoader, "repair">;
  readonly limits: TenantLimits;
  readonly tenancy: Pick<TenancyCopy, "metersOfType">;
  readonly ledger: LedgerClient;
  readonly partitions: number;
  /** Maximum entries that are repeated: where more are missing, used amounts are taken from the database instead. */
  readonly mostEntries?: number;
}

const MOST_ENTRIES = 200_000;
const TENANTS_AT_ONCE = 500;

/** A tenant between its counters' position and the database's. */
interface Missing {
  readonly limited: LimitedTenant;
  readonly facts: TenantFacts;
  readonly totals: readonly PeriodTotal[];
  /** The counters' position, moved by each settlement. */
  at: number;
  readings: UsageReading[];
  /** The counters are not what they were when this began: another round looks again. */
  isOver: boolean;
}

/**
 * Repeats the settlements that counters missed, from the ledger: reservations are closed and usage counts exactly as if nothing
 * had been missed. One scan serves all tenants of a partition.
 */
export function createCatchUp(options: CatchUpOptions) {
  const { database, counters, loader, limits, tenancy, ledger, partitions } = options;
  const mostEntries = options.mostEntries ?? MOST_ENTRIES;

  async function missingOf(tenantIds: readonly string[]): Promise<readonly Missing[]> {
    const limited = tenantIds
      .map((tenantId) => limits.current(tenantId))
      .filter((one): one is LimitedTenant => one !== undefined);
    const positions = await counters.positions(limited.map(({ tenant }) => tenant.id));
    const now = await counters.now();
    const facts = await readFacts(
      database,
      limited.map((one) => factsWanted(one, now)),
    );
    return limited.flatMap((one, index) => {
      const [at, ofTenant] = [positions[index], facts.get(one.tenant.id)];
      if (at === undefined || ofTenant === undefined || at >= ofTenant.seq) return [];
      return [{ limited: one, facts: ofTenant, totals: totalsOf(one, ofTenant), at, readings: [], isOver: false }];
    });
  }

  /** Settles what was read; `isLast`: everything up to the database's position was. */
  async function settle(one: Missing, isLast: boolean): Promise<void> {
    const { limited, facts, totals, readings } = one;
    const seq = isLast ? facts.seq : (readings.at(-1)?.seq ?? one.at);
    if (one.isOver || seq <= one.at) return;
    one.readings = [];
    const usage = { tenant: limited.tenant, readings, previousSeq: one.at, seq };
    // Counters of single combinations are read from the database when somebody asks.
    const counted = limited.counted.filter((key) => !isFamily(key));
    for (const request of settleRequests(usage, counted, totals)) {
      if ((await counters.settle(request)) === "applied") continue;
      one.isOver = true;
      return;
    }
    one.at = seq;
  }

  async function scan(range: LedgerRange, missing: readonly Missing[]): Promise<void> {
    const byTenant = new Map(missing.map((one) => [one.limited.tenant.id, one]));
    for await (const { entries } of ledgerPages(ledger, range)) {
      for (const entry of entries) take(entry, byTenant);
      await Promise.all(missing.map((one) => settle(one, false)));
    }
    await Promise.all(missing.map((one) => settle(one, true)));
  }

  function take(entry: LedgerEntry, byTenant: ReadonlyMap<string, Missing>): void {
    // Voids and backfills only change totals.
    const one = entry.kind === "event" ? byTenant.get(entry.tenantId) : undefined;
    if (one === undefined || entry.seq <= one.at || entry.seq > one.facts.seq) return;
    const { tenant } = one.limited;
    const reading = { scopesAt: limits.scopesOf(tenant) };
    one.readings.push(...usageReadings(entry, tenancy.metersOfType, tenant, reading));
  }

  /** A scan for one tenant reads only its own entries, however far back the first is. */
  async function repeatAlone(one: Missing, partition: number): Promise<void> {
    const { tenant } = one.limited;
    const range = { partition, from: one.at + 1, to: one.facts.seq, tenantId: tenant.id };
    let entries = 0;
    for await (const page of ledgerPages(ledger, range)) {
      entries += page.entries.length;
      if (entries > mostEntries) return loader.repair([tenant.id]);
      for (const entry of page.entries) take(entry, new Map([[tenant.id, one]]));
      await settle(one, false);
    }
    await settle(one, true);
  }

  async function repeatOf(partition: number, tenantIds: readonly string[]): Promise<void> {
    const unknown = tenantIds.filter((tenantId) => limits.current(tenantId) === undefined);
    if (unknown.length > 0) await loader.repair(unknown);
    const missing = await missingOf(tenantIds);
    const to = Math.max(0, ...missing.map(({ facts }) => facts.seq));
    const near = missing.filter(({ at }) => to - at <= mostEntries);
    if (near.length > 0) await scan({ partition, from: Math.min(...near.map(({ at }) => at)) + 1, to }, near);
    for (const one of missing) if (to - one.at > mostEntries && !near.includes(one)) await repeatAlone(one, partition);
  }

  /** Brings the counters of these tenants up to the database's position of now. */
  return async function catchUp(tenantIds: readonly string[]): Promise<void> {
    const byPartition = new Map<number, string[]>();
    for (const tenantId of tenantIds) {
      const partition = partitionOf(tenantId, partitions);
      byPartition.set(partition, [...(byPartition.get(partition) ?? []), tenantId]);
    }
    for (const [partition, ids] of byPartition)
      for (let at = 0; at < ids.length; at += TENANTS_AT_ONCE)
        await repeatOf(partition, ids.slice(at, at + TENANTS_AT_ONCE));
  };
}

/** All totals of the periods around now, as the database has them, oldest first. */
function totalsOf({ tenant, counted }: LimitedTenant, facts: TenantFacts): readonly PeriodTotal[] {
  return counted.flatMap((key) => {
    const { meter, window, scope } = key;
    if (meter === null || !isPeriodWindow(window) || isFamily(key)) return [];
    const totals = [...totalsOfPeriods(seriesOf(meter, scope), window, facts, tenant)].sort(([a], [b]) => a - b);
    return totals.map(([periodStart, total]) => ({ counter: counterId(key), periodStart, total: amountOf(total) }));
  });
}
