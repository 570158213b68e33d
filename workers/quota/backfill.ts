import { partitionOf } from "#kernel/partition.js";
import type { Transaction } from "#platform/database/database.js";
import type { LedgerClient } from "#platform/ledger/client.js";
import { type LedgerRange, ledgerPages } from "#platform/ledger/pages.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { type Backfill, backfillsOf, storedBackfills } from "#schema/meters/counting-meters.js";
import { isAdditive } from "#schema/vocabulary.js";
import { firstSeqWith } from "./reconciliation/ledger-search.js";
import { type BackfillFold, foldBackfill } from "./rules/backfill.js";
import type { UsageReading } from "./rules/usage-reading.js";
import { MAX_WINDOW_MS } from "./rules/windows.js";
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
  /** The contribution of the batch's own backfill, by the `seq` of its entry, then by tenant. */
  readonly added: ReadonlyMap<number, ReadonlyMap<string, readonly UsageReading[]>>;
}

/** A backfill and its contribution, by tenant. */
export interface PreparedBackfill {
  readonly backfill: Backfill;
  readonly readings: ReadonlyMap<string, readonly UsageReading[]>;
}

/**
 * Reads from the ledger what a backfill counts; `entries` is its entry alone, and everything before it is applied. Undefined:
 * there is none, or it has no effect: a duplicate of the meter's, or one of an archived meter.
 */
export async function prepareBackfill(
  q: Pick<Transaction, "query">,
  options: BackfillOptions,
  partition: number,
  entries: readonly LedgerEntry[],
): Promise<PreparedBackfill | undefined> {
  const [entry] = entries;
  if (entry?.kind !== "backfill") return undefined;
  const { store, tenancy } = options;
  const known = storedBackfills(await store.backfills(q, partition), tenancy.meter);
  const [backfill] = backfillsOf(entries, tenancy.meter, known);
  if (backfill === undefined) return undefined;
  if (!isAdditive(backfill.meter.aggregation)) return { backfill, readings: new Map() };
  const fold = foldBackfill(backfill, entry, tenancy.metersOfType, tenancy.tenant);
  await readBefore(options, partition, entry, fold);
  return { backfill, readings: fold.readings() };
}

/** Loads the backfills that affect a batch, and stores its own. Reads nothing unless the batch contains a void or a backfill. */
export async function backfilledIn(
  tx: Transaction,
  { store, tenancy }: BackfillOptions,
  partition: number,
  entries: readonly LedgerEntry[],
  own: PreparedBackfill | undefined,
): Promise<BackfilledBatch> {
  if (own !== undefined) {
    await store.insertBackfill(tx, partition, own.backfill.meter.id, own.backfill.seq);
    return { known: [own.backfill], added: new Map([[own.backfill.seq, own.readings]]) };
  }
  if (!entries.some(({ kind }) => kind === "void")) return { known: [], added: new Map() };
  return { known: storedBackfills(await store.backfills(tx, partition), tenancy.meter), added: new Map() };
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
  const first = await firstSeqWith(ledger, partition, seq, recordedAt - MAX_WINDOW_MS);
  for (const { id, testClock } of tenancy.tenants()) {
    if (testClock === null || partitionOf(id, partitions) !== partition) continue;
    await take({ partition, from: 1, to: first - 1, tenantId: id });
  }
  await take({ partition, from: first, to: seq - 1 });
}
