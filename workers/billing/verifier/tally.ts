import { MetrlyError } from "#kernel/errors.js";
import type { MeterState, PriceState } from "#schema/events/tenancy-changed.v1.js";
import type { RecordedEvent } from "#schema/events/usage-recorded.v1.js";
import { parsedData, readMeter } from "#schema/meters/meter-reading.js";
import { isMeterActive } from "#schema/tenancy-history.js";
import type { Aggregation } from "#schema/vocabulary.js";
import type { Unclaimed } from "./document.js";
import { isLess, minus, NOTHING, plus, type Rational, rational } from "./rational.js";

interface Cell {
  readonly dimensions: readonly string[];
  /** Counted and not voided. */
  events: number;
  /** COUNT and SUM. */
  sum: Rational;
  /** The other aggregations: the reading of each remaining event, by its `seq`. */
  readonly readings: Map<number, { readonly time: number; readonly value: string }>;
}

/** Usage of one tenant up to a ledger position, by start of the period of its event time. */
export interface Tally {
  /** Returns how many readings it took, as `retract` does. */
  add(event: RecordedEvent): number;
  retract(event: RecordedEvent): number;
  /** A later meter counts unmetered events of this period. Yields before each that it looks at. */
  backfill(meter: MeterState, periodStart: number): Generator<undefined>;
  /** What a price of a plan claims. */
  quantity(periodStart: number, price: PriceState, plan: readonly PriceState[]): Rational;
  /** What meters read of an event that is to be added or retracted. */
  readingsOf(event: RecordedEvent): MeterReading[];
  /** What a meter would read of a period's events by a backfill. */
  adoptable(meter: MeterState, periodStart: number): MeterReading[];
  /** What a price of a plan claims, of a MAX, UNIQUE or LATEST meter. */
  readings(periodStart: number, price: PriceState, plan: readonly PriceState[]): Iterable<Reading>;
  /** What no price of a plan claims, by meter and combination of dimensions, in the order of their texts. */
  unclaimed(periodStart: number, plan: readonly PriceState[]): Unclaimed[];
  /** Periods with events that no meter counted at recording. */
  uncounted(): readonly number[];
}

/** Start of the monthly period that contains an instant: periods begin on the anchor day, 00:00 UTC. */
export function periodStartOf(atMs: number, anchorDay: number): number {
  const date = new Date(atMs);
  const month = Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), anchorDay);
  return month <= atMs ? month : Date.UTC(date.getUTCFullYear(), date.getUTCMonth() - 1, anchorDay);
}

export function nextMonth(periodStart: number, anchorDay: number): number {
  const date = new Date(periodStart);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, anchorDay);
}

export interface Meters {
  meter(key: string): MeterState | undefined;
  metersOfType(type: string): readonly MeterState[];
}

/** About what each takes in memory, bytes, without its texts. */
const CELL_BYTES = 500;
const READING_BYTES = 120;
const EVENT_BYTES = 500;

const bytesOfReading = (value: string): number => READING_BYTES + 2 * value.length;
const bytesOfEvent = ({ data, id, source }: RecordedEvent): number =>
  EVENT_BYTES + 2 * (data.length + id.length + source.length);

/** `maxBytes`: about how much memory it may take; TOO_LARGE is thrown beyond it. */
export function createTally(meters: Meters, anchorDay: number, maxBytes = Number.POSITIVE_INFINITY): Tally {
  const periods = new Map<number, Map<string, Map<string, Cell>>>();
  /** Each combination once: the meters of a type have the same ones. */
  const combinations = new Map<string, { readonly text: string; readonly dimensions: readonly string[] }>();
  let bytes = 0;

  function hold(more: number): void {
    bytes += more;
    if (more < 0 || bytes <= maxBytes) return;
    throw new MetrlyError(
      "TOO_LARGE",
      `To verify the invoice takes more than ${Math.floor(maxBytes / 2 ** 20)} MiB of memory, as the tenant has very many meters, combinations of dimensions or values; a quarter of billing's heap may be used (NODE_OPTIONS=--max-old-space-size)`,
    );
  }

  function cellOf(periodStart: number, meter: string, dimensions: readonly string[]): Cell {
    const ofPeriod = upsert(periods, periodStart, () => new Map<string, Map<string, Cell>>());
    const ofMeter = upsert(ofPeriod, meter, () => new Map<string, Cell>());
    const text = JSON.stringify(dimensions);
    const combination = upsert(combinations, text, () => {
      hold(CELL_BYTES + 4 * text.length);
      return { text, dimensions };
    });
    return upsert(ofMeter, combination.text, () => {
      hold(CELL_BYTES);
      return { dimensions: combination.dimensions, events: 0, sum: NOTHING, readings: new Map() };
    });
  }

  /** By period: events that no meter counted at recording, and the meters that count them since. */
  const orphans = new Map<number, Map<number, { readonly event: RecordedEvent; readonly meters: MeterState[] }>>();

  function countedBy(event: RecordedEvent, change: "add" | "retract"): readonly MeterState[] {
    const counting = meters.metersOfType(event.type).filter((meter) => isMeterActive(meter, event.tenancyVersion));
    if (counting.length > 0) return counting;
    const ofPeriod = upsert(orphans, periodStartOf(event.time, anchorDay), () => new Map());
    const adopters: readonly MeterState[] = ofPeriod.get(event.seq)?.meters ?? [];
    if (change === "add") {
      hold(bytesOfEvent(event));
      ofPeriod.set(event.seq, { event, meters: [] });
    } else if (ofPeriod.delete(event.seq)) hold(-bytesOfEvent(event));
    return adopters;
  }

  function apply(event: RecordedEvent, change: "add" | "retract", by = countedBy(event, change)): number {
    if (by.length === 0) return 0;
    const data = parsedData(event.data);
    for (const meter of by) {
      const reading = readMeter(meter, data);
      if (reading.kind === "invalid") throw new Error(`entry ${event.seq} does not fit meter ${meter.id}`);
      const cell = cellOf(periodStartOf(event.time, anchorDay), meter.id, reading.dimensions);
      cell.events += change === "add" ? 1 : -1;
      if (meter.aggregation === "COUNT" || meter.aggregation === "SUM") {
        cell.sum = (change === "add" ? plus : minus)(cell.sum, rational(reading.value));
      } else if (change === "add") {
        hold(bytesOfReading(reading.value));
        cell.readings.set(event.seq, { time: event.time, value: reading.value });
      } else if (cell.readings.delete(event.seq)) hold(-bytesOfReading(reading.value));
    }
    return by.length;
  }

  function claimed(periodStart: number, price: PriceState, plan: readonly PriceState[]) {
    const meter = meters.meter(price.meter);
    if (meter === undefined) throw new Error(`a plan prices the unknown meter ${price.meter}`);
    const cells = [...(periods.get(periodStart)?.get(meter.id)?.values() ?? [])].filter((cell) =>
      claims(price, plan, meter, cell),
    );
    return { meter, cells };
  }

  return {
    add: (event) => apply(event, "add"),
    retract: (event) => apply(event, "retract"),
    *backfill(meter, periodStart) {
      for (const { event, meters: adopters } of orphans.get(periodStart)?.values() ?? []) {
        yield;
        if (event.type !== meter.eventType || readMeter(meter, parsedData(event.data)).kind === "invalid") continue;
        adopters.push(meter);
        apply(event, "add", [meter]);
      }
    },
    uncounted: () => [...orphans.keys()],
    readingsOf(event) {
      const counting = meters.metersOfType(event.type).filter((meter) => isMeterActive(meter, event.tenancyVersion));
      const adopters = orphans.get(periodStartOf(event.time, anchorDay))?.get(event.seq)?.meters ?? [];
      return (counting.length > 0 ? counting : adopters).flatMap((meter) => readingOf(meter, event));
    },
    adoptable: (meter, periodStart) =>
      [...(orphans.get(periodStart)?.values() ?? [])].flatMap(({ event }) =>
        event.type === meter.eventType ? readingOf(meter, event) : [],
      ),
    readings: (periodStart, price, plan) => readingsOf(claimed(periodStart, price, plan).cells),
    quantity(periodStart, price, plan) {
      const { meter, cells } = claimed(periodStart, price, plan);
      return aggregate(meter.aggregation, cells);
    },
    unclaimed(periodStart, plan) {
      const ofPeriod = [...(periods.get(periodStart) ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
      let room = SHOWN_BYTES;
      return ofPeriod.flatMap(([key, combinations]) => {
        const meter = meters.meter(key);
        if (meter === undefined) throw new Error(`usage of the unknown meter ${key}`);
        const ofMeter = plan.filter((price) => price.meter === key);
        const left = [...combinations]
          .filter(([, cell]) => cell.events > 0 && !ofMeter.some((price) => claims(price, plan, meter, cell)))
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([, cell]) => cell);
        const hasPrices = ofMeter.length > 0;
        if (left.length === 0) return [];
        const mayBeShown = hasPrices && left.length <= SHOWN_COMBINATIONS;
        const size = mayBeShown ? left.reduce((sum, cell) => sum + shownBytes(meter, cell), 0) : 0;
        const isShown = mayBeShown && size <= room;
        if (isShown) room -= size;
        return (isShown ? left.map((cell) => [cell]) : [left]).map((cells) => ({
          meter: key,
          dimensions: meter.dimensions.flatMap((dimension, at) =>
            isShown ? [{ dimension, value: cells[0]?.dimensions[at] ?? "" }] : [],
          ),
          quantity: aggregate(meter.aggregation, cells),
          events: cells.reduce((sum, cell) => sum + cell.events, 0),
          hasPrices,
        }));
      });
    },
  };
}

const SHOWN_COMBINATIONS = 200;
const SHOWN_BYTES = 1_048_576;

/** Of an entry of the document: its dimensions as JSON, and 100. */
const shownBytes = ({ dimensions: names }: MeterState, { dimensions }: Cell): number =>
  new TextEncoder().encode(JSON.stringify(names.map((dimension, at) => ({ dimension, value: dimensions[at] ?? "" }))))
    .length + 100;

/** Whether a price claims a cell of its meter: by naming it, or as the one for what no other price of the plan names. */
export function claims(
  price: PriceState,
  plan: readonly PriceState[],
  meter: MeterState,
  cell: Pick<Cell, "dimensions">,
): boolean {
  if (price.catchAll)
    return !plan.some((other) => other.meter === meter.id && !other.catchAll && names(other, meter, cell));
  return names(price, meter, cell);
}

const names = ({ where }: PriceState, meter: MeterState, { dimensions }: Pick<Cell, "dimensions">): boolean =>
  where.every((match) => dimensions[meter.dimensions.indexOf(match.dimension)] === match.value);

function aggregate(aggregation: Aggregation, cells: readonly Cell[]): Rational {
  switch (aggregation) {
    case "COUNT":
    case "SUM":
      return cells.map((cell) => cell.sum).reduce(plus, NOTHING);
    case "UNIQUE": {
      const values = new Set<string>();
      for (const { value } of readingsOf(cells)) values.add(value);
      return { n: BigInt(values.size), d: 1n };
    }
    case "MAX": {
      let most: Rational | undefined;
      for (const { value } of readingsOf(cells)) most = larger(most, rational(value));
      return most ?? NOTHING;
    }
    case "LATEST": {
      let last: Reading | undefined;
      for (const reading of readingsOf(cells)) if (last === undefined || isLater(reading, last)) last = reading;
      return last === undefined ? NOTHING : rational(last.value);
    }
  }
}

export interface Reading {
  readonly seq: number;
  readonly time: number;
  readonly value: string;
}

/** A reading of an event by one of its meters. */
export interface MeterReading extends Reading {
  readonly meter: MeterState;
  readonly dimensions: readonly string[];
}

function readingOf(meter: MeterState, { seq, time, data }: RecordedEvent): MeterReading[] {
  const reading = readMeter(meter, parsedData(data));
  return reading.kind === "invalid" ? [] : [{ seq, time, meter, value: reading.value, dimensions: reading.dimensions }];
}

/** One at a time: all of them may be a good part of the memory. */
function* readingsOf(cells: readonly Cell[]): Generator<Reading> {
  for (const { readings } of cells) for (const [seq, { time, value }] of readings) yield { seq, time, value };
}

const larger = (a: Rational | undefined, b: Rational): Rational => (a === undefined || isLess(a, b) ? b : a);
const isLater = (a: Reading, b: Reading): boolean => a.time > b.time || (a.time === b.time && a.seq > b.seq);

function upsert<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const created = create();
  map.set(key, created);
  return created;
}
