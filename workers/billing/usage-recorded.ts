import type { Clock } from "#kernel/clock.js";
import { hourOf } from "#kernel/period.js";
import type { Sessions, Transaction } from "#platform/database/database.js";
import type { Queue } from "#platform/job-queue/job-queue.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import {
  applyBackfill,
  type BackfillOptions,
  backfilledIn,
  createBackfillPreparer,
  type PreparedBackfill,
} from "./backfill/backfill.js";
import { type CloseJob, closeJobId } from "./closing/close-job.js";
import { createCredits } from "./credits/credits.js";
import { createPeriodCalendar, type PeriodCalendar } from "./period-calendar.js";
import { foldEntries } from "./rules/fold.js";
import { unbilledIn } from "./rules/unbilled.js";
import { restoreHours } from "./store/merging.js";
import { insertClosings, lastEnds } from "./store/periods.js";
import { appendFolded } from "./store/usage.js";
import { pricedPeriods, tellUnbilled } from "./unbilled.js";

export interface AggregatorOptions extends BackfillOptions {
  readonly queue: Queue<CloseJob>;
  readonly clock: Clock;
  readonly onApplied?: (partition: number, last: LedgerEntry) => void;
}

export type Aggregator = ReturnType<typeof createAggregator>;

/**
 * Turns the ledger into deltas, counts, ended periods and news of unbilled usage, in the transaction that moves the mark. Its in-memory state is
 * derived from the database and reloaded when another consumer has moved the partition.
 */
export function createAggregator(options: AggregatorOptions) {
  const { tenancy, partitions, queue, clock } = options;
  const calendars = new Map<number, PeriodCalendar>();
  const unsubscribe = tenancy.onChange((change) => {
    if (change.kind === "tenant") for (const calendar of calendars.values()) calendar.add(change);
  });

  async function calendarAt(tx: Transaction, partition: number, mark: number): Promise<PeriodCalendar> {
    const known = calendars.get(partition);
    if (known?.mark() === mark) return known;
    const loaded = createPeriodCalendar(partition, partitions, tenancy, await lastEnds(tx, partition), mark);
    calendars.set(partition, loaded);
    return loaded;
  }

  const credits = createCredits(options);
  const prepareBackfill = createBackfillPreparer(options);

  return {
    /** See `LedgerConsumerOptions.prepare`; the database that the entries are applied to, as for a rebuild: it may take long. */
    prepare: (sessions: Sessions, partition: number, entries: readonly LedgerEntry[]) =>
      prepareBackfill(sessions, partition, entries),
    /** Billing's effect of contiguous entries: see `LedgerConsumerOptions.apply`. Rebuilds have no limits. */
    async apply(
      tx: Transaction,
      partition: number,
      entries: readonly LedgerEntry[],
      prepared: PreparedBackfill | undefined,
      isLong = true,
    ) {
      const [first, last] = [entries[0], entries.at(-1)];
      if (first === undefined || last === undefined) return undefined;
      const calendar = await calendarAt(tx, partition, first.seq - 1);
      const closings = await credits.versioned(tx, { partition, entries, closings: calendar.closingsOf(entries) });
      const nowMs = clock.now();
      await insertClosings(tx, partition, closings, nowMs);
      const backfilled = await backfilledIn(tx, options, partition, entries);
      const folded = foldEntries(entries, tenancy.metersOfType, backfilled);
      await appendFolded(tx, folded);
      await restoreHours(
        tx,
        entries.flatMap((entry) =>
          entry.kind === "void" ? [{ tenantId: entry.tenantId, hour: hourOf(entry.event.time) }] : [],
        ),
      );
      if (prepared !== undefined) await applyBackfill(tx, partition, prepared);
      const { openStart } = calendar;
      const credited = await credits.apply(tx, { partition, entries, closings, backfilled, openStart, isLong });
      const unbilled = unbilledIn(folded, pricedPeriods(tenancy), tenancy.meter);
      await tellUnbilled(tx, partition, [...unbilled, ...(prepared?.unbilled ?? [])], nowMs);
      return async () => {
        calendar.commit(closings, last.seq);
        credited();
        options.onApplied?.(partition, last);
        for (const { tenantId, period } of closings) {
          await queue.add(closeJobId(tenantId, period.start), { tenantId });
        }
      };
    },
    stop: unsubscribe,
  };
}
