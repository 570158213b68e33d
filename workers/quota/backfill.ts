import { partitionOf } from "#kernel/partition.js";
import type { Transaction } from "#platform/database/database.js";
import type { LedgerClient } from "#platform/ledger/client.js";
import { type LedgerRange, ledgerPages } from "#platform/ledger/pages.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { isMeterActive } from "#schema/tenancy-history.js";
import { isAdditive } from "#schema/vocabulary.js";
import { firstSeqAfter, SLACK_MS } from "./reconciliation/ledger-search.js";
import { type Backfill, type BackfillFold, foldBackfill } from "./rules/backfill.js";
import type { UsageReading } from "./rules/usage-reading.js";
import { MAX_BILLING_PERIOD_MS } from "./rules/windows.js";
import type { QuotaStore } from "./store/store.js";

export interface BackfillOptions {
  readonly store: QuotaStore;
  readonly tenancy: TenancyCopy;
  readonly ledger: LedgerClient;
  readonly partitions: number;
}

export interface BackfilledBatch {
  /** Every backfill that an entry of the batch can come after. */
  readonly known: readonly Backfill[];
  /** What each backfill in the batch adds, by the `seq` of its entry, then by tenant. */
  readonly added: ReadonlyMap<number, ReadonlyMap<string, readonly UsageReading[]>>;
}

const NOTHING: BackfilledBatch = { known: [], added: new Map() };

/**
 * What a batch must know of backfills; its own are remembered in its transaction. Nothing is read unless it holds a void or a
 * backfill. A repeat of a meter's backfill, or one whose meter is archived by then, has no effect.
 */
export async function backfilledIn(
  tx: Transaction,
  options: BackfillOptions,
  partition: number,
  entries: readonly LedgerEntry[],
): Promise<BackfilledBatch> {
  if (!entries.some(({ kind }) => kind === "void" || kind === "backfill")) return NOTHING;
  const { store, tenancy } = options;
  const known = [...(await store.backfills(tx, partition))];
  const added = new Map<number, ReadonlyMap<string, readonly UsageReading[]>>();
  for (const entry of entries) {
    if (entry.kind !== "backfill" || known.some(({ meter }) => meter === entry.meterKey)) continue;
    const meter = tenancy.meter(entry.meterKey);
    if (meter === undefined || !isMeterActive(meter, entry.tenancyVersion)) continue;
    known.push({ meter: meter.id, seq: entry.seq });
    await store.insertBackfill(tx, partition, meter.id, entry.seq);
    if (!isAdditive(meter.aggregation)) continue;
    const fold = foldBackfill(
      meter,
      entry,
      (type) => tenancy.metersOfType(type),
      (id) => tenancy.tenant(id),
    );
    await readBefore(options, partition, entry, fold);
    added.set(entry.seq, fold.readings());
  }
  return { known, added };
}

/** Feeds what may lie in a running billing period: of a test tenant, whose clock may stand still for long, everything. */
async function readBefore(
  { ledger, tenancy, partitions }: BackfillOptions,
  partition: number,
  { seq, recordedAt }: LedgerEntry,
  fold: BackfillFold,
): Promise<void> {
  async function take(range: LedgerRange): Promise<void> {
    for await (const page of ledgerPages(ledger, range)) for (const entry of page.entries) fold.add(entry);
  }
  const first = await firstSeqAfter(ledger, partition, seq, recordedAt - MAX_BILLING_PERIOD_MS - SLACK_MS);
  for (const { id, testClock } of tenancy.tenants()) {
    if (testClock === null || partitionOf(id, partitions) !== partition) continue;
    await take({ partition, from: 1, to: first - 1, tenantId: id });
  }
  await take({ partition, from: first, to: seq - 1 });
}
