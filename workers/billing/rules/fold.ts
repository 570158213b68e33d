import { Decimal, ZERO } from "#kernel/decimal.js";
import { hourOf } from "#kernel/period.js";
import type { MeterState } from "#schema/events/tenancy-changed.v1.js";
import type { LedgerEntry, RecordedEvent } from "#schema/events/usage-recorded.v1.js";
import {
  type Backfill,
  countingMeters,
  type MetersOfType,
  metersAtRecording,
  type OpenStart,
} from "#schema/meters/counting-meters.js";
import { dataFor, readMeter } from "#schema/meters/meter-reading.js";
import { packTimes } from "./event-times.js";
import { CELL_KEEPS, storedValue } from "./usage.js";

/** A row of `usage_delta`: the contribution of entries between two control records to one cell. */
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
  readonly seq: number;
  readonly quantity: Decimal;
  readonly eventCount: number;
  readonly lastEventAt: number;
  /** Of each event, as `packTimes` stores them; null: fewer than two. */
  readonly times: Buffer | null;
}

/** A row of `backfill_part`: what a part of a backfill adds to one cell, or what the part's voids take from it: those may be of other parts' events. */
export interface CellPart {
  readonly tenantId: string;
  readonly hour: number;
  readonly dimensions: string;
  readonly value: string;
  readonly isVoids: boolean;
  /** Of voids negative. */
  readonly quantity: Decimal;
  /** Of each event, as `packed` stores them. */
  readonly times: Buffer;
}

/** Events received in one UTC hour, by outcome. */
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

/** Backfilled events, for voids of events that only a backfill counts. */
export interface Backfilled {
  readonly backfills: readonly Backfill[];
  readonly openStart: OpenStart;
}

const NOTHING_BACKFILLED: Backfilled = { backfills: [], openStart: () => 0 };

/**
 * Folds contiguous entries of one partition. A delta never spans a tick or a close: any of them may become a watermark, and a
 * delta must be entirely at or below it or above. An event feeds every active meter of its type at its stamped tenancy version;
 * a void retracts its event, in the event's own hour.
 */
export function foldEntries(
  entries: readonly LedgerEntry[],
  metersOfType: MetersOfType,
  { backfills, openStart }: Backfilled = NOTHING_BACKFILLED,
): Folded {
  const deltas: UsageDelta[] = [];
  const counts = createCounts();
  const unmetered = new Map<string, UnmeteredDelta>();
  const metersOf = remembering(metersOfType);
  let cells = noCells();
  for (const entry of entries) {
    switch (entry.kind) {
      case "event": {
        const meters = metersOf(entry);
        feed(cells, entry, entry, 1, meters);
        counts.add(entry, meters.length > 0);
        if (meters.length === 0) countUnmetered(unmetered, entry);
        break;
      }
      case "void": {
        // A delta of its own: with others it would hide which event's time is gone.
        const { event, seq } = entry;
        const voided = noCells();
        feed(voided, event, entry, -1, countingMeters(event, seq, metersOfType, backfills, openStart));
        finish(voided, deltas);
        break;
      }
      case "tick":
      case "close":
      case "backfill":
        finish(cells, deltas);
        cells = noCells();
        break;
      case "creditGrant":
      case "creditVoid":
        break;
      default:
        entry satisfies never;
    }
  }
  finish(cells, deltas);
  return { deltas, counts: counts.all, unmetered: [...unmetered.values()] };
}

/** Consecutive events usually share type and tenancy version, so cache the last lookup. */
function remembering(metersOfType: MetersOfType): (event: RecordedEvent) => readonly MeterState[] {
  let last: { readonly type: string; readonly version: number; readonly meters: readonly MeterState[] } | undefined;
  return (event) => {
    if (last?.type !== event.type || last.version !== event.tenancyVersion)
      last = { type: event.type, version: event.tenancyVersion, meters: metersAtRecording(event, metersOfType) };
    return last.meters;
  };
}

export interface Cell extends Omit<UsageDelta, "lastEventAt" | "times"> {
  readonly counts: boolean;
  seq: number;
  quantity: Decimal;
  eventCount: number;
  /** Integers below 2^53 are summed as doubles and converted to Decimal once. */
  whole: number;
  /** Of its events, or of those retracted: never of both. ms since the start of the hour. */
  readonly times: number[];
}

/**
 * Nested maps of cells: building and hashing one composite key each dominated the cost. Consecutive events usually share an
 * hour, whose branch is cached.
 */
export interface Cells {
  readonly all: Cell[];
  /** Characters of all cells' texts. */
  textLength: number;
  readonly byHours: Branch;
  ofHours: { readonly recordedHour: number; readonly hour: number; readonly branch: Branch } | undefined;
}
type Branch = Map<string | number, Branch | Cell>;

export const noCells = (): Cells => ({ all: [], textLength: 0, byHours: new Map(), ofHours: undefined });

function branchOfHours(cells: Cells, recordedHour: number, hour: number): Branch {
  const { ofHours } = cells;
  if (ofHours?.hour === hour && ofHours.recordedHour === recordedHour) return ofHours.branch;
  const found = branch(branch(cells.byHours, recordedHour), hour);
  cells.ofHours = { recordedHour, hour, branch: found };
  return found;
}

function branch(of: Branch, part: string | number): Branch {
  const known = of.get(part);
  if (known instanceof Map) return known;
  const made: Branch = new Map();
  of.set(part, made);
  return made;
}

const MAX_WHOLE_DIGITS = 15;
const SAFE_WHOLE = Number.MAX_SAFE_INTEGER - 10 ** MAX_WHOLE_DIGITS;

function finish(cells: Cells, deltas: UsageDelta[]): void {
  for (const { counts, whole, times, ...delta } of cells.all) {
    deltas.push({
      ...delta,
      quantity: counts ? new Decimal(delta.eventCount) : delta.quantity.plus(whole),
      lastEventAt: delta.hour + latest(times),
      times: packTimes(times),
    });
  }
}

/** Iterative: there may be more than a call takes arguments. */
function latest(times: readonly number[]): number {
  let last = 0;
  for (const time of times) if (time > last) last = time;
  return last;
}

function addValue(cell: Cell, value: string, sign: 1 | -1): void {
  if (value.length <= MAX_WHOLE_DIGITS && !value.includes(".")) {
    cell.whole += sign * Number(value);
    if (Math.abs(cell.whole) < SAFE_WHOLE) return;
    cell.quantity = cell.quantity.plus(cell.whole);
    cell.whole = 0;
  } else {
    cell.quantity = sign === 1 ? cell.quantity.plus(value) : cell.quantity.minus(value);
  }
}

/** Adds (or retracts) one event in the meters it feeds. */
export function feed(
  cells: Cells,
  event: RecordedEvent,
  carrier: { readonly seq: number; readonly recordedAt: number },
  sign: 1 | -1,
  meters: readonly MeterState[],
): void {
  if (meters.length === 0) return;
  const data = dataFor(meters, event.data);
  for (const meter of meters) {
    const reading = readMeter(meter, data);
    if (reading.kind === "invalid") {
      throw new Error(
        `ledger entry ${event.seq} of ${event.tenantId} does not fit meter ${meter.id}: ${reading.path} ${reading.reason}`,
      );
    }
    const cell = cellOf(cells, event, carrier.recordedAt, meter, reading);
    cell.seq = carrier.seq;
    cell.eventCount += sign;
    cell.times.push(event.time - cell.hour);
    if (CELL_KEEPS[meter.aggregation] === "sum") addValue(cell, reading.value, sign);
  }
}

function cellOf(
  cells: Cells,
  event: RecordedEvent,
  recordedAt: number,
  meter: MeterState,
  { value: read, dimensions }: { readonly value: string; readonly dimensions: readonly string[] },
): Cell {
  const hour = hourOf(event.time);
  const recordedHour = hourOf(recordedAt);
  const value = storedValue(meter.aggregation, read, event.time, event.seq);
  let at = branch(branch(branchOfHours(cells, recordedHour, hour), event.tenantId), meter.id);
  for (const dimension of dimensions) at = branch(at, dimension);
  const known = at.get(value);
  if (known !== undefined && !(known instanceof Map)) return known;
  const cell: Cell = {
    counts: CELL_KEEPS[meter.aggregation] === "count",
    whole: 0,
    tenantId: event.tenantId,
    meter: meter.id,
    hour,
    dimensions: JSON.stringify(dimensions),
    value,
    recordedHour,
    seq: 0,
    quantity: ZERO,
    eventCount: 0,
    times: [],
  };
  at.set(value, cell);
  cells.all.push(cell);
  cells.textLength += cell.dimensions.length + value.length;
  return cell;
}

/** By tenant, then by hour: a composite key would build a new text for every event. */
function createCounts() {
  const all: CountDelta[] = [];
  const byTenant = new Map<string, Map<number, CountDelta>>();
  return {
    all,
    add({ tenantId, receivedAt }: RecordedEvent, counted: boolean): void {
      let byHour = byTenant.get(tenantId);
      if (byHour === undefined) {
        byHour = new Map();
        byTenant.set(tenantId, byHour);
      }
      const hour = hourOf(receivedAt);
      let delta = byHour.get(hour);
      if (delta === undefined) {
        delta = { tenantId, hour, counted: 0, unmetered: 0 };
        byHour.set(hour, delta);
        all.push(delta);
      }
      if (counted) delta.counted += 1;
      else delta.unmetered += 1;
    },
  };
}

function countUnmetered(unmetered: Map<string, UnmeteredDelta>, event: RecordedEvent): void {
  const key = `${event.tenantId}\n${event.type}`;
  const delta = unmetered.get(key) ?? { tenantId: event.tenantId, eventType: event.type, count: 0, lastAt: 0 };
  delta.count += 1;
  delta.lastAt = Math.max(delta.lastAt, event.time);
  unmetered.set(key, delta);
}
