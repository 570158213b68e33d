import type { Clock } from "#kernel/clock.js";
import { partitionOf } from "#kernel/partition.js";
import { hourOf } from "#kernel/period.js";
import type { Database } from "#platform/database/database.js";
import { repeat } from "#platform/lifecycle/repeat.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import { TOP_VALUE_BY } from "./rules/usage.js";
import { mergeDeltas, takeMergeLock, unmergedHours } from "./store/merging.js";

export interface MergeOptions {
  readonly database: Database;
  readonly tenancy: Pick<TenancyCopy, "meters">;
  readonly partitions: number;
}

/** Maximum deltas per transaction, which blocks their partition. */
const DELTAS_AT_ONCE = 10_000;
const HOURS_AT_ONCE = 1_000;
const INTERVAL_MS = 300_000;

/**
 * Compaction: merges deltas recorded in hours before `before`, until none is left, another process merges, or `isStopped`.
 * Reading usage then costs by hours, for any number of batches. Returns the number of deltas merged.
 */
export async function mergeRecorded(
  { database, tenancy, partitions }: MergeOptions,
  before: number,
  isStopped: () => boolean = () => false,
): Promise<number> {
  let taken = 0;
  const meters = [...tenancy.meters()];
  const keysOf = (order: "number" | "text") =>
    meters.flatMap(({ id, aggregation }) => (TOP_VALUE_BY[aggregation] === order ? [id] : []));
  const ordered = { byNumber: keysOf("number"), byText: keysOf("text") };
  for (;;) {
    const hours = await unmergedHours(database.pool, before, HOURS_AT_ONCE);
    if (hours.length === 0) return taken;
    for (const hour of hours) {
      if (isStopped()) return taken;
      const merged = await database.transaction(async (tx) =>
        (await takeMergeLock(tx))
          ? mergeDeltas(tx, hour, partitionOf(hour.tenantId, partitions), ordered, DELTAS_AT_ONCE)
          : undefined,
      );
      if (merged === undefined) return taken;
      taken += merged;
    }
  }
}

/** Merges completed hours, every five minutes. */
export function startMerging(options: MergeOptions & { readonly clock: Clock; onError(error: unknown): void }) {
  return repeat({
    everyMs: INTERVAL_MS,
    first: "later",
    run: (stopping) => mergeRecorded(options, hourOf(options.clock.now()), () => stopping.aborted),
    onError: options.onError,
  });
}
