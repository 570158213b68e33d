import { MAX_INSTANT_MS } from "#kernel/duration.js";
import { partitionOf } from "#kernel/partition.js";
import { hourOf } from "#kernel/period.js";
import type { Sessions, Transaction } from "#platform/database/database.js";
import type { LedgerClient } from "#platform/ledger/client.js";
import { ledgerPages } from "#platform/ledger/pages.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { type Backfill, backfillsOf, type OpenStart, storedBackfills } from "#schema/meters/counting-meters.js";
import { firstPeriodStart } from "#schema/tenancy-history.js";
import type { Backfilled, UnmeteredDelta, UsageDelta } from "../rules/fold.js";
import { findUnpriced, type Unbilled } from "../rules/unbilled.js";
import {
  type Attempt,
  beginAttempt,
  dropParts,
  endAttempt,
  keepAttempt,
  moveStaged,
  type Staged,
  stageCounts,
  stageDeltas,
  stagedParts,
  stageParts,
} from "../store/backfills.js";
import { endsOf } from "../store/periods.js";
import { addUnmetered, insertBackfill, type Queryable, readBackfills, tenantsUnmetered } from "../store/usage.js";
import { pricedPeriods } from "../unbilled.js";
import { foldBackfill, PART_LIMITS, type PartLimits } from "./fold.js";
import { mergeParts } from "./merge-parts.js";

export interface BackfillOptions {
  readonly tenancy: TenancyCopy;
  readonly ledger: LedgerClient;
  readonly partitions: number;
  /** Others than `PART_LIMITS`, for tests. */
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

/** A backfill's whole effect: the larger part of it is staged in the database. */
export interface PreparedBackfill {
  readonly backfill: Backfill;
  readonly recordedAt: number;
  readonly attempt: Attempt;
  readonly staged: Staged;
  readonly unmetered: readonly UnmeteredDelta[];
  readonly unbilled: readonly Unbilled[];
}

export function createBackfillPreparer(options: BackfillOptions) {
  const { tenancy, partitions } = options;
  /** This process's last attempt of each partition: over, whether it succeeded or not. */
  const attempts = new Map<number, number>();

  /**
   * Counts the events that a backfill covers, from the ledger, and stages them; everything before its entry must be applied, and
   * `entries` be that entry alone. No memory grows with events or cells. Undefined: there is no backfill, or it has no effect. Throws BUSY while
   * another process prepares it.
   */
  return async (
    sessions: Sessions,
    partition: number,
    entries: readonly LedgerEntry[],
  ): Promise<PreparedBackfill | undefined> => {
    const [entry] = entries;
    if (entry?.kind !== "backfill") return undefined;
    const known = storedBackfills(await readBackfills(sessions.pool, partition), tenancy.meter);
    const [backfill] = backfillsOf(entries, tenancy.meter, known);
    if (backfill === undefined) return undefined;
    const own = attempts.get(partition);
    const attempt = await beginAttempt(sessions, { partition, seq: entry.seq, own });
    attempts.set(partition, attempt.id);
    try {
      const tenantIds = (await tenantsUnmetered(sessions.pool, backfill.meter.eventType)).filter(
        (id) => partitionOf(id, partitions) === partition,
      );
      const openStart = await openStarts(sessions.pool, tenancy, tenantIds);
      const of = { backfill, recordedAt: entry.recordedAt, attempt };
      const staged = await stage(sessions.pool, options, of, tenantIds, { backfills: [...known, backfill], openStart });
      const merged = await merge(sessions, options, of);
      const { counts, unmetered } = staged;
      return { ...of, staged: { deltas: merged.deltas, counts }, unmetered, unbilled: merged.unbilled };
    } catch (error) {
      // Another one may begin at once. If this fails, too, it waits until this attempt was silent for long enough.
      await endAttempt(sessions.pool, attempt).catch(() => undefined);
      throw error;
    }
  };
}

type Preparing = Pick<PreparedBackfill, "backfill" | "recordedAt" | "attempt">;

/** Folds each tenant's ledger before the backfill, and stages the parts. */
async function stage(
  q: Queryable,
  { tenancy, ledger, partLimits = PART_LIMITS }: BackfillOptions,
  { backfill, recordedAt, attempt }: Preparing,
  tenantIds: readonly string[],
  backfilled: Backfilled,
): Promise<{ readonly counts: number; readonly unmetered: readonly UnmeteredDelta[] }> {
  const { partition } = attempt;
  const eventType = backfill.meter.eventType;
  const unmetered: UnmeteredDelta[] = [];
  let [partCount, countCount] = [0, 0];
  for (const tenantId of tenantIds) {
    const fold = foldBackfill(backfill, recordedAt, tenancy.metersOfType, backfilled, partLimits);
    const stagePart = async (): Promise<void> => {
      const part = fold.takePart();
      await stageParts(q, attempt, partCount, part);
      partCount += part.length;
    };
    const before = { partition, tenantId, from: 1, to: backfill.seq - 1, ticksFrom: () => MAX_INSTANT_MS };
    for await (const page of ledgerPages(ledger, before)) {
      for (const entry of page.entries) {
        fold.add(entry);
        if (fold.isFull()) await stagePart();
      }
      await keepAttempt(q, attempt);
    }
    await stagePart();
    const counts = fold.counts();
    await stageCounts(q, attempt, countCount, counts);
    countCount += counts.length;
    const count = counts.reduce((sum, each) => sum + each.unmetered, 0);
    if (count !== 0) unmetered.push({ tenantId, eventType, count, lastAt: 0 });
  }
  return { counts: countCount, unmetered };
}

/** Merges the staged parts, cell by cell, to the deltas of the backfill. */
async function merge(
  sessions: Sessions,
  { tenancy }: BackfillOptions,
  { backfill, recordedAt, attempt }: Preparing,
): Promise<{ readonly deltas: number; readonly unbilled: readonly Unbilled[] }> {
  const unpriced = findUnpriced(pricedPeriods(tenancy), tenancy.meter);
  let deltas = 0;
  await sessions.transaction(async (tx) => {
    await keepAttempt(tx, attempt);
    for await (const batch of batchesOf(mergeParts(stagedParts(tx, attempt), backfill, recordedAt))) {
      for (const delta of batch) unpriced.add(delta);
      await stageDeltas(tx, attempt, deltas, batch);
      deltas += batch.length;
    }
    await dropParts(tx, attempt);
    await keepAttempt(tx, attempt);
  });
  return { deltas, unbilled: unpriced.found() };
}

const MAX_BATCH = 10_000;
/** Of texts and times. */
const MAX_BATCH_LENGTH = 4 << 20;

async function* batchesOf(deltas: AsyncIterable<UsageDelta>): AsyncGenerator<readonly UsageDelta[], undefined> {
  let batch: UsageDelta[] = [];
  let length = 0;
  for await (const delta of deltas) {
    batch.push(delta);
    length += delta.dimensions.length + delta.value.length + (delta.times?.length ?? 0);
    if (batch.length < MAX_BATCH && length < MAX_BATCH_LENGTH) continue;
    yield batch;
    [batch, length] = [[], 0];
  }
  if (batch.length > 0) yield batch;
  return undefined;
}

/** Makes what was prepared count, in the transaction of the backfill's entry, so a redelivery counts nothing twice. */
export async function applyBackfill(
  tx: Transaction,
  partition: number,
  { backfill, recordedAt, attempt, staged, unmetered }: PreparedBackfill,
): Promise<void> {
  const { meter, seq } = backfill;
  await insertBackfill(tx, partition, meter.id, seq);
  await moveStaged(tx, attempt, staged, { meter: meter.id, seq, recordedHour: hourOf(recordedAt) });
  await addUnmetered(tx, unmetered);
}

async function openStarts(q: Queryable, tenancy: TenancyCopy, tenantIds: readonly string[]): Promise<OpenStart> {
  const ends = new Map(tenantIds.map((id): [string, Awaited<ReturnType<typeof endsOf>>] => [id, []]));
  for (const end of tenantIds.length === 0 ? [] : await endsOf(q, tenantIds)) ends.get(end.tenantId)?.push(end);
  return (tenantId, seq) => {
    const ended = ends.get(tenantId)?.findLast((period) => period.watermark < seq);
    const tenant = tenancy.tenant(tenantId);
    return ended?.end ?? (tenant === undefined ? Number.POSITIVE_INFINITY : firstPeriodStart(tenant));
  };
}
