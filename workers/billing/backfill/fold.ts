import { hourOf } from "#kernel/period.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { type Backfill, type MetersOfType, metersByBackfill } from "#schema/meters/counting-meters.js";
import { type UsageChange, usageChange } from "#schema/meters/usage-change.js";
import { packed } from "../rules/event-times.js";
import { type Backfilled, type Cell, type CellPart, type CountDelta, feed, noCells } from "../rules/fold.js";

/** The most that a part has in memory. */
export interface PartLimits {
  readonly cells: number;
  /** Events and voids. */
  readonly changes: number;
  /** Characters of the cells' texts. */
  readonly text: number;
}

export const PART_LIMITS: PartLimits = { cells: 20_000, changes: 20_000, text: 4 << 20 };

/** One tenant's part of a backfill, entry by entry, in memory that does not grow with its cells or events. */
export interface BackfillFold {
  /** Takes the next entry before the backfill, in order. */
  add(entry: LedgerEntry): void;
  /** Whether a limit is reached: take the part. */
  isFull(): boolean;
  takePart(): CellPart[];
  /** Events that no earlier backfill had counted, by the hour in which they were received; `unmetered` is what they were before. */
  counts(): readonly CountDelta[];
}

/**
 * The contribution of one backfill: to its meter each event that it covers and that was not voided before it, and to the counts
 * those that no earlier backfill had counted. All at the backfill's own position: earlier closes are unaffected.
 */
export function foldBackfill(
  { meter, seq }: Backfill,
  recordedAt: number,
  metersOfType: MetersOfType,
  { backfills, openStart }: Backfilled,
  limits = PART_LIMITS,
): BackfillFold {
  let [events, voids, changes] = [noCells(), noCells(), 0];
  const counts = new Map<number, CountDelta>();

  function take({ event, sign }: UsageChange): void {
    const upTo = metersByBackfill(event, seq + 1, backfills, metersOfType, openStart);
    if (!upTo.some(({ id }) => id === meter.id)) return;
    feed(sign === 1 ? events : voids, event, { seq, recordedAt }, sign, [meter]);
    changes += 1;
    if (upTo.length > 1) return;
    const hour = hourOf(event.receivedAt);
    const count = counts.get(hour) ?? { tenantId: event.tenantId, hour, counted: 0, unmetered: 0 };
    count.counted += sign;
    count.unmetered -= sign;
    counts.set(hour, count);
  }

  return {
    add(entry) {
      if (entry.seq >= seq) return;
      const change = usageChange(entry);
      if (change?.event.type === meter.eventType) take(change);
    },
    isFull: () =>
      changes >= limits.changes ||
      events.all.length + voids.all.length >= limits.cells ||
      events.textLength + voids.textLength >= limits.text,
    takePart() {
      const part = [...events.all.map((cell) => partOf(cell, false)), ...voids.all.map((cell) => partOf(cell, true))];
      [events, voids, changes] = [noCells(), noCells(), 0];
      return part;
    },
    counts: () => [...counts.values()],
  };
}

const partOf = ({ tenantId, hour, dimensions, value, quantity, whole, times }: Cell, isVoids: boolean): CellPart => ({
  ...{ tenantId, hour, dimensions, value, isVoids },
  quantity: quantity.plus(whole),
  times: packed(times),
});
