import { Decimal, ZERO } from "#kernel/decimal.js";
import type { MeterState } from "#schema/events/tenancy-changed.v1.js";
import type {
  CreditGrantEntry,
  CreditVoidEntry,
  LedgerEntry,
  RecordedEvent,
} from "#schema/events/usage-recorded.v1.js";
import { countingMeters, type MetersOfType, metersAtRecording } from "#schema/meters/counting-meters.js";
import { dataFor, readMeter } from "#schema/meters/meter-reading.js";
import type { Closing } from "./calendar.js";
import type { Backfilled } from "./fold.js";
import type { CellChange } from "./rated-period.js";
import { CELL_KEEPS, storedValue } from "./usage.js";

interface Stamp {
  readonly seq: number;
  readonly recordedAt: number;
  readonly tenancyVersion: number;
}

/** What one entry means for the credits of one tenant. */
export type CreditStep =
  /** Usage of one moment, or what is taken from it. Its period has begun, if nothing else has said so. */
  | (Stamp & { readonly kind: "usage"; readonly time: number; readonly changes: readonly CellChange[] })
  | CreditGrantEntry
  | CreditVoidEntry
  /** The tenant's clock has reached `at`. */
  | (Stamp & { readonly kind: "reached"; readonly at: number })
  | (Stamp & { readonly kind: "ended"; readonly closing: Closing });

export interface StepsInput {
  readonly entries: readonly LedgerEntry[];
  readonly closings: readonly Closing[];
  /** The tenants with grants before these entries. */
  readonly credited: Pick<ReadonlyMap<string, unknown>, "has" | "size">;
  /** Of those, the ones whose periods begin with ticks, and one of them by this time. */
  beginningBy(at: number): Iterable<string>;
  readonly metersOfType: MetersOfType;
  readonly backfilled: Backfilled | undefined;
}

/** The steps of each tenant that has grants, or gets its first one here, in the order of the ledger. */
export function creditSteps(input: StepsInput): Map<string, CreditStep[]> {
  const { entries, closings, metersOfType, backfilled = { backfills: [], openStart: () => 0 } } = input;
  const granting = new Set(entries.flatMap((entry) => (entry.kind === "creditGrant" ? [entry.tenantId] : [])));
  const steps = new Map<string, CreditStep[]>();
  const add = (tenantId: string, step: CreditStep): void => {
    const known = steps.get(tenantId);
    if (known === undefined) steps.set(tenantId, [step]);
    else known.push(step);
  };
  if (input.credited.size === 0 && granting.size === 0) return steps;
  const isCredited = (tenantId: string): boolean => input.credited.has(tenantId) || granting.has(tenantId);
  const endedAt = new Map<number, Closing[]>();
  for (const closing of closings)
    if (isCredited(closing.tenantId))
      endedAt.set(closing.watermark, [...(endedAt.get(closing.watermark) ?? []), closing]);
  for (const entry of entries) {
    const { seq, recordedAt, tenancyVersion } = entry;
    const stamp = { seq, recordedAt, tenancyVersion };
    switch (entry.kind) {
      case "event":
        if (isCredited(entry.tenantId))
          add(entry.tenantId, {
            ...{ ...stamp, kind: "usage", time: entry.time },
            changes: changesOf(entry, 1, metersAtRecording(entry, metersOfType)),
          });
        break;
      case "void": {
        const { event, tenantId } = entry;
        if (!isCredited(tenantId)) break;
        const meters = countingMeters(event, seq, metersOfType, backfilled.backfills, backfilled.openStart);
        add(tenantId, { ...stamp, kind: "usage", time: event.time, changes: changesOf(event, -1, meters) });
        break;
      }
      case "creditGrant":
      case "creditVoid":
        if (isCredited(entry.tenantId)) add(entry.tenantId, entry);
        break;
      case "tick":
        for (const tenantId of [...input.beginningBy(entry.at), ...granting])
          add(tenantId, { ...stamp, kind: "reached", at: entry.at });
        break;
      case "close":
      case "backfill":
        break;
      default:
        entry satisfies never;
    }
    for (const closing of endedAt.get(seq) ?? []) add(closing.tenantId, { ...stamp, kind: "ended", closing });
  }
  return steps;
}

/** What an event adds to usage (1) or takes from it (-1). */
function changesOf(event: RecordedEvent, sign: 1 | -1, meters: readonly MeterState[]): CellChange[] {
  if (meters.length === 0) return [];
  const data = dataFor(meters, event.data);
  return meters.map((meter) => {
    const reading = readMeter(meter, data);
    if (reading.kind === "invalid")
      throw new Error(`ledger entry ${event.seq} does not fit meter ${meter.id}: ${reading.path} ${reading.reason}`);
    const { aggregation } = meter;
    const value = storedValue(aggregation, reading.value, event.time, event.seq);
    return {
      meter,
      dimensions: reading.dimensions,
      value,
      quantity: quantityOf(meter, reading.value, sign),
      events: sign,
    };
  });
}

function quantityOf({ aggregation }: MeterState, value: string, sign: 1 | -1): Decimal {
  switch (CELL_KEEPS[aggregation]) {
    case "count":
      return new Decimal(sign);
    case "sum":
      return new Decimal(value).times(sign);
    case "value":
      return ZERO;
  }
}
