import { type Decimal, ZERO } from "#kernel/decimal.js";
import { SECOND_MS } from "#kernel/duration.js";
import type { MeterState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { RecordedEvent } from "#schema/events/usage-recorded.v1.js";
import { type MetersOfType, metersAtRecording } from "#schema/meters/counting-meters.js";
import { parsedData, readMeter } from "#schema/meters/meter-reading.js";
import { tenantNow } from "#schema/tenancy-history.js";
import { isAdditive } from "#schema/vocabulary.js";
import type { UsageReading } from "./usage-reading.js";

/**
 * Every bound of a window is a whole second (`merged-readings.test.ts`), so that events of one second with one stamp count in the same
 * windows.
 */
const SHARED_MS = SECOND_MS;

/** Whether usage of a meter at a moment and tenancy version does nothing but add to sums: nothing limits it. */
export type IsUnlimited = (meter: MeterState, atMs: number, version: number) => boolean;

/** `nothing`: no meter counts it. `limited`: it was not taken, because a limit counts it. */
type Taken = "added" | "nothing" | "limited";

/** What events of one meter, second and stamp add up to, as one reading. */
interface Sum {
  readonly meter: MeterState;
  readonly reading: UsageReading;
  isOpen: boolean;
  /** Whole numbers are summed as doubles and converted once. */
  whole: number;
  rest: Decimal;
}

interface Group {
  readonly sums: readonly Sum[];
  /** Whether a meter needs the events' data: what a COUNT meter counts is one, whatever it is. */
  readonly readsData: boolean;
}

/**
 * Merges readings of consecutive events of one tenant that nothing limits. Their order among themselves does not matter; that of what is
 * judged does, so call `finish` before any other reading of the tenant, and at the end.
 */
export function createMergedReadings(tenant: TenantState, metersOfType: MetersOfType, isUnlimited: IsUnlimited) {
  /** Of the last stamp, by type and second; undefined: one of the type's meters is limited. */
  const groups = new Map<string, Map<number, Group | undefined>>();
  let stamp = { recordedAt: Number.NaN, tenancyVersion: Number.NaN };
  let last: { readonly type: string; readonly second: number; readonly group: Group | undefined } | undefined;
  let open: Sum[] = [];

  function groupOf(event: RecordedEvent, second: number): Group | undefined {
    const ofType = groups.get(event.type) ?? new Map<number, Group | undefined>();
    groups.set(event.type, ofType);
    if (!ofType.has(second)) ofType.set(second, start(event));
    return ofType.get(second);
  }

  function start(event: RecordedEvent): Group | undefined {
    const { seq, id: eventId, time, recordedAt, tenancyVersion } = event;
    const meters = metersAtRecording(event, metersOfType).filter(({ aggregation }) => isAdditive(aggregation));
    if (!meters.every((meter) => isUnlimited(meter, time, tenancyVersion))) return undefined;
    const arrivedAt = tenantNow(tenant, recordedAt);
    const sums = meters.map((meter): Sum => {
      const reading = { seq, meter: meter.id, eventId, value: ZERO, time, arrivedAt, recordedAt, tenancyVersion };
      return { meter, reading, isOpen: false, whole: 0, rest: ZERO };
    });
    return { sums, readsData: meters.some(({ aggregation }) => aggregation !== "COUNT") };
  }

  function addTo({ sums, readsData }: Group, event: RecordedEvent): Taken {
    const data = readsData ? parsedData(event.data) : undefined;
    let taken: Taken = "nothing";
    for (const sum of sums) {
      const value = sum.meter.aggregation === "COUNT" ? "1" : quantityOf(sum.meter, data);
      if (value === undefined) continue;
      if (!sum.isOpen) open.push(sum);
      sum.isOpen = true;
      add(sum, value);
      taken = "added";
    }
    return taken;
  }

  return {
    /** Takes an event that is not imported. */
    take(event: RecordedEvent): Taken {
      const { type, recordedAt, tenancyVersion } = event;
      if (stamp.recordedAt !== recordedAt || stamp.tenancyVersion !== tenancyVersion) {
        stamp = { recordedAt, tenancyVersion };
        groups.clear();
        last = undefined;
      }
      const second = Math.floor(event.time / SHARED_MS);
      if (last?.type !== type || last.second !== second) last = { type, second, group: groupOf(event, second) };
      return last.group === undefined ? "limited" : addTo(last.group, event);
    },
    /** The readings since the last call, in the order of their first events. */
    finish(): readonly UsageReading[] {
      if (open.length === 0) return [];
      const readings = open.map(({ reading, rest, whole }) => ({ ...reading, value: rest.plus(whole) }));
      open = [];
      groups.clear();
      last = undefined;
      return readings;
    },
  };
}

export type MergedReadings = ReturnType<typeof createMergedReadings>;

function quantityOf(meter: MeterState, data: unknown): string | undefined {
  const reading = readMeter(meter, data);
  return reading.kind === "reading" ? reading.value : undefined;
}

const MAX_WHOLE_DIGITS = 15;
const SAFE_WHOLE = Number.MAX_SAFE_INTEGER - 10 ** MAX_WHOLE_DIGITS;

function add(sum: Sum, value: string): void {
  if (value.length <= MAX_WHOLE_DIGITS && !value.includes(".")) {
    sum.whole += Number(value);
    if (Math.abs(sum.whole) < SAFE_WHOLE) return;
    sum.rest = sum.rest.plus(sum.whole);
    sum.whole = 0;
  } else {
    sum.rest = sum.rest.plus(value);
  }
}
