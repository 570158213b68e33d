import { contains, type Period, periodAt } from "#kernel/period.js";
import type { MeterState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import { readMeter, readsData } from "#schema/meters/meter-reading.js";
import { isMeterActive } from "#schema/tenancy-history.js";
import type { DecodedItem } from "./decode-record.js";
import { dimensionsUuid } from "./fingerprint.js";

/** The scope of a limit on dimension values: one tenant, one meter, one billing period. */
export interface DimensionScope {
  readonly key: string;
  readonly tenantId: string;
  readonly meter: MeterState;
  readonly period: Period;
}

/** A combination of dimension values, as uuid text, with its scopes. */
export interface DimensionUse {
  readonly scope: DimensionScope;
  readonly value: string;
}

export type EventReading =
  | { readonly kind: "readable"; readonly uses: readonly DimensionUse[] }
  | { readonly kind: "invalid"; readonly detail: string };

export type EventReader = ReturnType<typeof createEventReader>;

type Placed = Pick<DecodedItem, "tenantId" | "type" | "time">;
/** The part of tenancy needed to read events. */
export interface MetersAndTenants {
  metersOfType(eventType: string): readonly MeterState[];
  tenant(id: string): Pick<TenantState, "billingAnchorDay"> | undefined;
}

/** Reads events with the meters of `tenancyVersion`. Short-lived: one per transaction. */
export function createEventReader(tenancy: MetersAndTenants, tenancyVersion: number) {
  /** The last one per meter and tenant: consecutive events usually share a period. */
  const latest = new Map<MeterState, Map<string, DimensionScope>>();
  const scopes = new Map<string, DimensionScope>();
  const metersByType = new Map<string, readonly MeterState[]>();
  const periods = new Map<number, Period>();
  const values = new Map<string, string>();

  function periodOf({ tenantId, time }: Placed): Period {
    const anchorDay = tenancy.tenant(tenantId)?.billingAnchorDay ?? 1;
    const before = periods.get(anchorDay);
    if (before !== undefined && contains(before, time)) return before;
    const period = periodAt(time, anchorDay);
    periods.set(anchorDay, period);
    return period;
  }

  function scopeOf(event: Placed, meter: MeterState): DimensionScope {
    const { tenantId } = event;
    const ofMeter = latest.get(meter) ?? new Map<string, DimensionScope>();
    const before = ofMeter.get(tenantId);
    if (before !== undefined && contains(before.period, event.time)) return before;
    const period = periodOf(event);
    const key = `${tenantId}\0${meter.id}\0${period.start}`;
    const scope = scopes.get(key) ?? { key, tenantId, meter, period };
    scopes.set(key, scope);
    latest.set(meter, ofMeter.set(tenantId, scope));
    return scope;
  }

  function combinationOf(dimensions: readonly string[]): string {
    const text = dimensions.join("\0");
    const known = values.get(text);
    if (known !== undefined) return known;
    const value = dimensionsUuid(dimensions);
    values.set(text, value);
    return value;
  }

  function activeMeters(type: string): readonly MeterState[] {
    const known = metersByType.get(type);
    if (known !== undefined) return known;
    const meters = tenancy.metersOfType(type).filter((meter) => isMeterActive(meter, tenancyVersion));
    metersByType.set(type, meters);
    return meters;
  }

  return {
    /** The scopes of the event's dimension values, known without reading its data. */
    scopes: (event: Placed): readonly DimensionScope[] =>
      activeMeters(event.type)
        .filter(({ dimensions }) => dimensions.length > 0)
        .map((meter) => scopeOf(event, meter)),
    /** The readings of the active meters, or why one of them failed. */
    read(event: Placed & Pick<DecodedItem, "data" | "value">): EventReading {
      const uses: DimensionUse[] = [];
      const meters = activeMeters(event.type);
      const value = meters.some(readsData) ? jsonOf(event) : {};
      if (value === undefined) return { kind: "invalid", detail: "data: must be JSON" };
      for (const meter of meters) {
        const reading = readMeter(meter, value);
        if (reading.kind === "invalid") return { kind: "invalid", detail: `${reading.path}: ${reading.reason}` };
        if (reading.dimensions.length > 0)
          uses.push({ scope: scopeOf(event, meter), value: combinationOf(reading.dimensions) });
      }
      return { kind: "readable", uses };
    },
  };
}

/** The parsed data; undefined: it is no JSON. */
function jsonOf({ data, value }: Pick<DecodedItem, "data" | "value">): unknown {
  if (value !== undefined) return value;
  try {
    return JSON.parse(data);
  } catch {
    return undefined;
  }
}
