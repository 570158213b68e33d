import { Decimal, ZERO } from "#kernel/decimal.js";
import { hourOf } from "#kernel/period.js";
import type { Backfill } from "#schema/meters/counting-meters.js";
import { countOf, createRetracted, lastOf } from "../rules/event-times.js";
import type { CellPart, UsageDelta } from "../rules/fold.js";
import { CELL_KEEPS } from "../rules/usage.js";

/** Events of one delta: those of a cell may be more than fit into memory. */
const MAX_EVENTS = 1_000_000;

/**
 * The deltas that parts add up to. All parts of a cell have to follow each other, its voids first, the others in the order of their
 * events. A void cancels its event in whatever part it is, and nothing is left of a cell whose events are all voided.
 */
export async function* mergeParts(
  parts: AsyncIterable<CellPart> | Iterable<CellPart>,
  { meter, seq }: Backfill,
  recordedAt: number,
  maxEvents = MAX_EVENTS,
): AsyncGenerator<UsageDelta, undefined> {
  const of = { meter: meter.id, seq, recordedHour: hourOf(recordedAt) };
  const isCount = CELL_KEEPS[meter.aggregation] === "count";
  const deltaOf = ({ cell, quantity, eventCount, times }: Merged): UsageDelta => {
    const { tenantId, hour, dimensions, value } = cell;
    const [first = NO_TIMES] = times;
    const all = times.length > 1 ? Buffer.concat(times) : first;
    return {
      ...{ ...of, tenantId, hour, dimensions, value, eventCount },
      quantity: isCount ? new Decimal(eventCount) : quantity,
      lastEventAt: hour + lastOf(all),
      times: eventCount < 2 ? null : all,
    };
  };
  let merged: Merged | undefined;
  for await (const part of parts) {
    if (merged === undefined || !isSameCell(merged.cell, part)) {
      if (merged !== undefined && merged.eventCount > 0) yield deltaOf(merged);
      merged = { ...nothing(), cell: part, retracted: undefined };
    }
    if (part.isVoids) {
      merged.retracted ??= createRetracted();
      merged.retracted.add(part.times);
    }
    const left = part.isVoids ? NO_TIMES : (merged.retracted?.cancel(part.times) ?? part.times);
    const count = countOf(left);
    if (merged.eventCount > 0 && count > 0 && merged.eventCount + count > maxEvents) {
      yield deltaOf(merged);
      merged = { ...merged, ...nothing() };
    }
    merged.quantity = merged.quantity.plus(part.quantity);
    merged.eventCount += count;
    if (count > 0) merged.times.push(left);
  }
  if (merged !== undefined && merged.eventCount > 0) yield deltaOf(merged);
  return undefined;
}

interface Merged {
  readonly cell: CellPart;
  retracted: ReturnType<typeof createRetracted> | undefined;
  quantity: Decimal;
  eventCount: number;
  readonly times: Buffer[];
}

const NO_TIMES = Buffer.alloc(0);
const nothing = () => ({ quantity: ZERO, eventCount: 0, times: [] });

const isSameCell = (a: CellPart, b: CellPart): boolean =>
  a.tenantId === b.tenantId && a.hour === b.hour && a.dimensions === b.dimensions && a.value === b.value;
