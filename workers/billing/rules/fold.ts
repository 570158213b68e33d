import { Decimal, ZERO } from "#kernel/decimal.js";
import { hourOf } from "#kernel/period.js";
import type { MeterState } from "#schema/events/tenancy-changed.v1.js";
import type { LedgerEntry, RecordedEvent } from "#schema/events/usage-recorded.v1.js";
import { readMeter } from "#schema/meter-reading.js";
import { type Backfill, type MetersOfType, metersAtRecording, metersByBackfill, type OpenStart } from "./backfill.js";
import { storedValue } from "./usage.js";

/** A row of `usage_delta`: what some entries between two control records add to one cell. */
export interface UsageDelta {
  readonly tenantId: string;
  readonly meter: string;
  /** Start of the UTC hour of the event's time. */
  readonly hour: number;
  /** JSON array of values in the meter's order. */
  readonly dimensions: string;
  readonly value: string;
  readonly recordedHour: number;
  /** Last entry folded into it. */
  seq: number;
  quantity: Decimal;
  eventCount: number;
  lastEventAt: number;
}

/** Events received in one UTC hour, by what became of them. */
export interface CountDelta {
  readonly tenantId: string;
  readonly hour: number;
  counted: number;
  unmetered: number;
}

export interface UnmeteredDelta {
  readonly tenantId: string;
  readonly eventType: string;
  count: number;
  lastAt: number;
}

export interface Folded {
  readonly deltas: readonly UsageDelta[];
  readonly counts: readonly CountDelta[];
  readonly unmetered: readonly UnmeteredDelta[];
}

/** What was backfilled, for what takes back an event that only a backfill counts. */
export interface Backfilled {
  readonly backfills: readonly Backfill[];
  readonly openStart: OpenStart;
}

const NOTHING_BACKFILLED: Backfilled = { backfills: [], openStart: () => 0 };

/**
 * Folds contiguous entries of one partition. A delta never spans a tick or a close: any of them may become a watermark, and a
 * delta must lie wholly at or below it or wholly above. An event feeds every meter of its type that is active at the tenancy
 * version it is stamped with; a void takes back what its event gave, in the hour of that event.
 */
export function foldEntries(
  entries: readonly LedgerEntry[],
  metersOfType: MetersOfType,
  { backfills, openStart }: Backfilled = NOTHING_BACKFILLED,
): Folded {
  const deltas: UsageDelta[] = [];
  const counts = new Map<string, CountDelta>();
  const unmetered = new Map<string, UnmeteredDelta>();
  let cells = new Map<string, Cell>();
  for (const entry of entries) {
    if (entry.kind === "event") {
      const meters = metersAtRecording(entry, metersOfType);
      feed(cells, entry, entry, 1, meters);
      count(counts, entry, meters.length > 0);
      if (meters.length === 0) countUnmetered(unmetered, entry);
    } else if (entry.kind === "void") {
      const { event, seq } = entry;
      feed(cells, event, entry, -1, metersAtRecording(event, metersOfType));
      feed(cells, event, entry, -1, metersByBackfill(event, seq, backfills, metersOfType, openStart));
    } else {
      finish(cells, deltas);
      cells = new Map();
    }
  }
  finish(cells, deltas);
  return { deltas, counts: [...counts.values()], unmetered: [...unmetered.values()] };
}

/** A backfill's effect, entry by entry, so that any number of entries takes the memory of its cells. */
export interface BackfillFold {
  /** Takes the next entry before the backfill, in order. */
  add(entry: LedgerEntry): void;
  /** All of it lies at the backfill's own place: whatever was closed before stays as it is. */
  finish(): Folded;
}

/**
 * What one backfill adds: to its meter each event that it reaches and that is not taken back before it, and to the counts
 * those that no earlier backfill had counted.
 */
export function foldBackfill(
  { meter, seq }: Backfill,
  recordedAt: number,
  metersOfType: MetersOfType,
  { backfills, openStart }: Backfilled,
): BackfillFold {
  const cells = new Map<string, Cell>();
  const counts = new Map<string, CountDelta>();
  const unmetered = new Map<string, UnmeteredDelta>();

  function take(event: RecordedEvent, sign: 1 | -1): void {
    const upTo = metersByBackfill(event, seq + 1, backfills, metersOfType, openStart);
    if (!upTo.some(({ id }) => id === meter.id)) return;
    feed(cells, event, { seq, recordedAt }, sign, [meter]);
    if (upTo.length > 1) return;
    const hour = hourOf(event.receivedAt);
    const delta = upsert(counts, `${event.tenantId}\n${hour}`, {
      tenantId: event.tenantId,
      hour,
      counted: 0,
      unmetered: 0,
    });
    delta.counted += sign;
    delta.unmetered -= sign;
    const { tenantId, type: eventType } = event;
    upsert(unmetered, tenantId, { tenantId, eventType, count: 0, lastAt: 0 }).count -= sign;
  }

  return {
    add(entry) {
      if (entry.seq >= seq) return;
      if (entry.kind === "event" && entry.type === meter.eventType) take(entry, 1);
      else if (entry.kind === "void" && entry.event.type === meter.eventType) take(entry.event, -1);
    },
    finish() {
      const deltas: UsageDelta[] = [];
      finish(new Map([...cells].filter(([, cell]) => cell.eventCount !== 0)), deltas);
      return { deltas, counts: [...counts.values()], unmetered: [...unmetered.values()] };
    },
  };
}

function upsert<V>(map: Map<string, V>, key: string, initial: V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  map.set(key, initial);
  return initial;
}

/** A COUNT is its events: it becomes a decimal once, at the end. */
interface Cell extends UsageDelta {
  readonly counts: boolean;
}

function finish(cells: ReadonlyMap<string, Cell>, deltas: UsageDelta[]): void {
  for (const cell of cells.values()) {
    if (cell.counts) cell.quantity = new Decimal(cell.eventCount);
    deltas.push(cell);
  }
}

/** Adds (or takes back) one event in the meters it feeds. */
function feed(
  cells: Map<string, Cell>,
  event: RecordedEvent,
  carrier: { readonly seq: number; readonly recordedAt: number },
  sign: 1 | -1,
  meters: readonly MeterState[],
): void {
  if (meters.length === 0) return;
  const data: unknown = JSON.parse(event.data);
  for (const meter of meters) {
    const reading = readMeter(meter, data);
    if (reading.kind === "invalid") {
      throw new Error(
        `ledger entry ${event.seq} of ${event.tenantId} does not fit meter ${meter.id}: ${reading.path} ${reading.reason}`,
      );
    }
    const cell = cellOf(cells, event, carrier.recordedAt, meter, reading.value, JSON.stringify(reading.dimensions));
    cell.seq = carrier.seq;
    cell.eventCount += sign;
    cell.lastEventAt = Math.max(cell.lastEventAt, event.time);
    if (meter.aggregation === "SUM") {
      cell.quantity = sign === 1 ? cell.quantity.plus(reading.value) : cell.quantity.minus(reading.value);
    }
  }
}

function cellOf(
  cells: Map<string, Cell>,
  event: RecordedEvent,
  recordedAt: number,
  meter: MeterState,
  reading: string,
  dimensions: string,
): Cell {
  const hour = hourOf(event.time);
  const recordedHour = hourOf(recordedAt);
  const value = storedValue(meter.aggregation, reading, event.time, event.seq);
  const key = `${event.tenantId}\n${meter.id}\n${hour}\n${recordedHour}\n${dimensions}\n${value}`;
  const known = cells.get(key);
  if (known !== undefined) return known;
  const cell: Cell = {
    counts: meter.aggregation === "COUNT",
    tenantId: event.tenantId,
    meter: meter.id,
    hour,
    dimensions,
    value,
    recordedHour,
    seq: 0,
    quantity: ZERO,
    eventCount: 0,
    lastEventAt: 0,
  };
  cells.set(key, cell);
  return cell;
}

function count(counts: Map<string, CountDelta>, event: RecordedEvent, counted: boolean): void {
  const hour = hourOf(event.receivedAt);
  const key = `${event.tenantId}\n${hour}`;
  const delta = counts.get(key) ?? { tenantId: event.tenantId, hour, counted: 0, unmetered: 0 };
  if (counted) delta.counted += 1;
  else delta.unmetered += 1;
  counts.set(key, delta);
}

function countUnmetered(unmetered: Map<string, UnmeteredDelta>, event: RecordedEvent): void {
  const key = `${event.tenantId}\n${event.type}`;
  const delta = unmetered.get(key) ?? { tenantId: event.tenantId, eventType: event.type, count: 0, lastAt: 0 };
  delta.count += 1;
  delta.lastAt = Math.max(delta.lastAt, event.time);
  unmetered.set(key, delta);
}
