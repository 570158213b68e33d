import { MAX_INSTANT_MS } from "#kernel/duration.js";
import { partitionOf } from "#kernel/partition.js";
import type { Transaction } from "#platform/database/database.js";
import type { LedgerClient } from "#platform/ledger/client.js";
import { ledgerPages } from "#platform/ledger/pages.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { type Backfill, backfillsOf, type OpenStart, storedBackfills } from "#schema/meters/counting-meters.js";
import { firstPeriodStart } from "#schema/tenancy-history.js";
import { type Backfilled, type Folded, foldBackfill } from "./rules/fold.js";
import { endsOf } from "./store/periods.js";
import { appendFolded, insertBackfill, type Queryable, readBackfills, tenantsUnmetered } from "./store/usage.js";

export interface BackfillOptions {
  readonly tenancy: TenancyCopy;
  readonly ledger: LedgerClient;
  readonly partitions: number;
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

/** A backfill's whole effect. */
export interface PreparedBackfill {
  readonly backfill: Backfill;
  readonly folded: readonly Folded[];
}

/**
 * Counts the events that a backfill covers, from the ledger; everything before its entry must be applied, and `entries` be that
 * entry alone. Undefined: there is no backfill, or it has no effect.
 */
export async function prepareBackfill(
  q: Queryable,
  { tenancy, ledger, partitions }: BackfillOptions,
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
  const folded: Folded[] = [];
  for (const tenantId of tenantIds) {
    const fold = foldBackfill(backfill, entry.recordedAt, tenancy.metersOfType, { backfills, openStart });
    const before = { partition, tenantId, from: 1, to: backfill.seq - 1, ticksFrom: () => MAX_INSTANT_MS };
    for await (const page of ledgerPages(ledger, before)) for (const each of page.entries) fold.add(each);
    folded.push(fold.finish());
  }
  return { backfill, folded };
}

/** Writes a backfill's effect, in the transaction of its entry, so a redelivery counts nothing twice. */
export async function applyBackfill(
  tx: Transaction,
  partition: number,
  { backfill, folded }: PreparedBackfill,
): Promise<void> {
  await insertBackfill(tx, partition, backfill.meter.id, backfill.seq);
  for (const one of folded) await appendFolded(tx, one);
}

async function openStarts(q: Queryable, tenancy: TenancyCopy, tenantIds: readonly string[]): Promise<OpenStart> {
  const ends = tenantIds.length === 0 ? [] : await endsOf(q, tenantIds);
  return (tenantId, seq) => {
    const ended = ends.findLast((period) => period.tenantId === tenantId && period.watermark < seq);
    const tenant = tenancy.tenant(tenantId);
    return ended?.end ?? (tenant === undefined ? Number.POSITIVE_INFINITY : firstPeriodStart(tenant));
  };
}
