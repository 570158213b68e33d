import { MAX_INSTANT_MS } from "#kernel/duration.js";
import { partitionOf } from "#kernel/partition.js";
import type { Transaction } from "#platform/database/database.js";
import type { LedgerClient, LedgerPage } from "#platform/ledger/client.js";
import { ledgerPages } from "#platform/ledger/pages.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { type Backfill, backfillsOf, type OpenStart, storedBackfills } from "#schema/meters/counting-meters.js";
import { firstPeriodStart } from "#schema/tenancy-history.js";
import {
  type Backfilled,
  type BackfillFold,
  type Folded,
  foldBackfill,
  type PartLimits,
  type UnmeteredDelta,
} from "./rules/fold.js";
import { type Unbilled, unbilledIn } from "./rules/unbilled.js";
import { endsOf } from "./store/periods.js";
import { type Attempt, appendPrepared, beginAttempt, type Kept, keepPart } from "./store/prepared.js";
import { addUnmetered, insertBackfill, type Queryable, readBackfills, tenantsUnmetered } from "./store/usage.js";
import { pricedPeriods } from "./unbilled.js";

export interface BackfillOptions {
  readonly tenancy: TenancyCopy;
  readonly ledger: LedgerClient;
  readonly partitions: number;
  /** Of what a backfill holds in memory. */
  readonly partLimits?: PartLimits;
}

/** Loads the earlier backfills that affect a batch with voids; undefined: none does. */
export async function backfilledIn(
  tx: Transaction,
  { tenancy }: BackfillOptions,
  partition: number,
  entries: readonly LedgerEntry[],
): Promise<Backfilled | undefined> {
  const voided = entries.flatMap((entry) => (entry.kind === "void" ? [entry.tenantId] : []));
  if (voided.length === 0) return undefined;
  const backfills = storedBackfills(await readBackfills(tx, partition), tenancy.meter);
  if (backfills.length === 0) return undefined;
  return { backfills, openStart: await openStarts(tx, tenancy, [...new Set(voided)]) };
}

/** A backfill's whole effect. Its deltas and counts are kept in the database. */
export interface PreparedBackfill {
  readonly backfill: Backfill;
  readonly attempt: Attempt;
  readonly kept: Kept;
  readonly unmetered: readonly UnmeteredDelta[];
  readonly unbilled: readonly Unbilled[];
}

/**
 * Counts the events that a backfill covers, from the ledger; everything before its entry must be applied, and `entries` be that
 * entry alone. Undefined: there is no backfill, or it has no effect.
 */
export async function prepareBackfill(
  q: Queryable,
  { tenancy, ledger, partitions, partLimits }: BackfillOptions,
  partition: number,
  entries: readonly LedgerEntry[],
): Promise<PreparedBackfill | undefined> {
  const [entry] = entries;
  if (entry?.kind !== "backfill") return undefined;
  const known = storedBackfills(await readBackfills(q, partition), tenancy.meter);
  const [backfill] = backfillsOf(entries, tenancy.meter, known);
  if (backfill === undefined) return undefined;
  const backfills = [...known, backfill];
  const tenantIds = (await tenantsUnmetered(q, backfill.meter.eventType)).filter(
    (id) => partitionOf(id, partitions) === partition,
  );
  const openStart = await openStarts(q, tenancy, tenantIds);
  const attempt = await beginAttempt(q, partition);
  const sums = createSums(tenancy);
  for (const tenantId of tenantIds) {
    const fold = foldBackfill(backfill, entry.recordedAt, tenancy.metersOfType, { backfills, openStart }, partLimits);
    const before = { partition, tenantId, from: 1, to: backfill.seq - 1, ticksFrom: () => MAX_INSTANT_MS };
    for await (const part of partsOf(ledgerPages(ledger, before), fold)) {
      await keepPart(q, attempt, part);
      sums.add(part);
    }
  }
  return { backfill, attempt, ...sums.all() };
}

async function* partsOf(pages: AsyncIterable<LedgerPage>, fold: BackfillFold): AsyncGenerator<Folded> {
  for await (const { entries } of pages) {
    for (const entry of entries) {
      fold.add(entry);
      if (fold.isFull()) yield fold.take();
    }
  }
  yield fold.take();
}

/** What the parts of a backfill add up to, apart from what is kept. */
function createSums(tenancy: TenancyCopy) {
  const pricedPeriodAt = pricedPeriods(tenancy);
  const unmetered = new Map<string, UnmeteredDelta>();
  const unbilled = new Map<string, Unbilled>();
  let kept: Kept = { deltas: 0, counts: 0 };
  return {
    add(part: Folded): void {
      kept = { deltas: kept.deltas + part.deltas.length, counts: kept.counts + part.counts.length };
      for (const one of part.unmetered)
        unmetered.set(one.tenantId, { ...one, count: one.count + (unmetered.get(one.tenantId)?.count ?? 0) });
      for (const one of unbilledIn([part], pricedPeriodAt, tenancy.meter)) {
        const key = JSON.stringify([one.tenantId, one.kind === "unpriced" && [one.meter, one.period.start]]);
        if (!unbilled.has(key)) unbilled.set(key, one);
      }
    },
    all: () => ({ kept, unmetered: [...unmetered.values()], unbilled: [...unbilled.values()] }),
  };
}

/** Writes a backfill's effect, in the transaction of its entry, so a redelivery counts nothing twice. */
export async function applyBackfill(
  tx: Transaction,
  partition: number,
  { backfill, attempt, kept, unmetered }: PreparedBackfill,
): Promise<void> {
  await insertBackfill(tx, partition, backfill.meter.id, backfill.seq);
  await appendPrepared(tx, attempt, kept);
  await addUnmetered(tx, unmetered);
}

async function openStarts(q: Queryable, tenancy: TenancyCopy, tenantIds: readonly string[]): Promise<OpenStart> {
  const ends = tenantIds.length === 0 ? [] : await endsOf(q, tenantIds);
  return (tenantId, seq) => {
    const ended = ends.findLast((period) => period.tenantId === tenantId && period.watermark < seq);
    const tenant = tenancy.tenant(tenantId);
    return ended?.end ?? (tenant === undefined ? Number.POSITIVE_INFINITY : firstPeriodStart(tenant));
  };
}
