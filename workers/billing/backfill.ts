import { MAX_INSTANT_MS } from "#kernel/duration.js";
import { partitionOf } from "#kernel/partition.js";
import type { Transaction } from "#platform/database/database.js";
import type { LedgerClient } from "#platform/ledger/client.js";
import { ledgerPages } from "#platform/ledger/pages.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { type Backfill, backfillsOf, type OpenStart, storedBackfills } from "#schema/meters/counting-meters.js";
import { firstPeriodStart } from "#schema/tenancy-history.js";
import { type Backfilled, foldBackfill } from "./rules/fold.js";
import { endsOf } from "./store/periods.js";
import { appendFolded, insertBackfill, readBackfills, tenantsUnmetered } from "./store/usage.js";

export interface BackfillOptions {
  readonly tenancy: TenancyCopy;
  readonly ledger: LedgerClient;
  readonly partitions: number;
}

/** Loads the backfills that affect a batch: earlier ones and its own. Reads nothing without a void or a backfill. */
export async function backfilledIn(
  tx: Transaction,
  { tenancy }: BackfillOptions,
  partition: number,
  entries: readonly LedgerEntry[],
): Promise<{ readonly own: readonly Backfill[]; readonly backfilled: Backfilled | undefined }> {
  const voided = entries.flatMap((entry) => (entry.kind === "void" ? [entry.tenantId] : []));
  if (voided.length === 0 && !entries.some(({ kind }) => kind === "backfill"))
    return { own: [], backfilled: undefined };
  const known = storedBackfills(await readBackfills(tx, partition), tenancy.meter);
  const own = backfillsOf(entries, tenancy.meter, known);
  const backfills = [...known, ...own];
  if (backfills.length === 0) return { own, backfilled: undefined };
  return { own, backfilled: { backfills, openStart: await openStarts(tx, tenancy, [...new Set(voided)]) } };
}

/**
 * Counts the events that a backfill covers, from the ledger, in the transaction of its entry, so a redelivery counts nothing
 * twice. Call it after the batch's own usage and ended periods are written.
 */
export async function applyBackfill(
  tx: Transaction,
  { tenancy, ledger, partitions }: BackfillOptions,
  partition: number,
  backfill: Backfill,
  recordedAt: number,
  backfills: readonly Backfill[],
): Promise<void> {
  await insertBackfill(tx, partition, backfill.meter.id, backfill.seq);
  const tenantIds = (await tenantsUnmetered(tx, backfill.meter.eventType)).filter(
    (id) => partitionOf(id, partitions) === partition,
  );
  const openStart = await openStarts(tx, tenancy, tenantIds);
  for (const tenantId of tenantIds) {
    const fold = foldBackfill(backfill, recordedAt, tenancy.metersOfType, { backfills, openStart });
    const before = { partition, tenantId, from: 1, to: backfill.seq - 1, ticksFrom: () => MAX_INSTANT_MS };
    for await (const page of ledgerPages(ledger, before)) for (const entry of page.entries) fold.add(entry);
    await appendFolded(tx, fold.finish());
  }
}

async function openStarts(tx: Transaction, tenancy: TenancyCopy, tenantIds: readonly string[]): Promise<OpenStart> {
  const ends = tenantIds.length === 0 ? [] : await endsOf(tx, tenantIds);
  return (tenantId, seq) => {
    const ended = ends.findLast((period) => period.tenantId === tenantId && period.watermark < seq);
    const tenant = tenancy.tenant(tenantId);
    return ended?.end ?? (tenant === undefined ? Number.POSITIVE_INFINITY : firstPeriodStart(tenant));
  };
}
