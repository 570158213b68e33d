import { partitionOf } from "#kernel/partition.js";
import type { Transaction } from "#platform/database/database.js";
import type { LedgerClient } from "#platform/ledger/client.js";
import { type LedgerRange, ledgerPages } from "#platform/ledger/pages.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { type Backfill, backfillsOf, storedBackfills } from "#schema/meters/counting-meters.js";
import { isAdditive } from "#schema/vocabulary.js";
import { firstSeqAfter, SLACK_MS } from "./reconciliation/ledger-search.js";
import { type BackfillFold, foldBackfill } from "./rules/backfill.js";
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
  /** Every backfill that may precede an entry of the batch. */
  readonly known: readonly Backfill[];
  /** The contribution of each backfill in the batch, by the `seq` of its entry, then by tenant. */
  readonly added: ReadonlyMap<number, ReadonlyMap<string, readonly UsageReading[]>>;
}

const NOTHING: BackfilledBatch = { known: [], added: new Map() };

/**
 * Loads the backfills that affect a batch; the batch's own are stored in its transaction. Reads nothing unless the batch
 * contains a void or a backfill. A duplicate of a meter's backfill, or one of an archived meter, has no effect.
 */
export async function backfilledIn(
  tx: Transaction,
  options: BackfillOptions,
  partition: number,
  entries: readonly LedgerEntry[],
): Promise<BackfilledBatch> {
  if (!entries.some(({ kind }) => kind === "void" || kind === "backfill")) return NOTHING;
  const { store, tenancy } = options;
  const known = storedBackfills(await store.backfills(tx, partition), tenancy.meter);
  const own = backfillsOf(entries, tenancy.meter, known);
  const added = new Map<number, ReadonlyMap<string, readonly UsageReading[]>>();
  for (const backfill of own) {
    const { meter, seq } = backfill;
    await store.insertBackfill(tx, partition, meter.id, seq);
    const entry = entries.find((candidate) => candidate.seq === seq);
    if (entry === undefined || !isAdditive(meter.aggregation)) continue;
    const fold = foldBackfill(backfill, entry, tenancy.metersOfType, tenancy.tenant);
    await readBefore(options, partition, entry, fold);
    added.set(seq, fold.readings());
  }
  return { known: [...known, ...own], added };
}

/** Feeds the entries that may be in a current billing period: for a test tenant, whose clock may stand still for long, all. */
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
