import { periodAt } from "#kernel/period.js";
import type { MeterState } from "#schema/events/tenancy-changed.v1.js";
import type { RecordedEvent } from "#schema/events/usage-recorded.v1.js";
import { at, meter } from "../../workers/billing/world.testing.js";

/** The data of billing's benchmarks: a month of events with two dimensions, for a COUNT and a SUM meter. */
export const PERIOD = periodAt(at("2026-03-10T00:00:00"), 1);
export const METERS: readonly MeterState[] = [
  meter("calls", { dimensions: ["region", "model"] }),
  meter("tokens", { aggregation: "SUM", valueProperty: "tokens", dimensions: ["region", "model"] }),
];

export function eventOf(n: number, of: number, tenantId: string): RecordedEvent {
  const time = PERIOD.start + Math.floor((n / of) * (PERIOD.end - PERIOD.start));
  return {
    ...{ kind: "event", seq: n + 1, tenantId, source: "bench", id: `e${n}`, type: "api.request", tenancyVersion: 1 },
    ...{ time, receivedAt: time, recordedAt: time },
    data: JSON.stringify({
      region: n % 3 ? "eu" : "us",
      model: n % 2 ? "large" : "small",
      tokens: String((n * 7919) % 5_000),
    }),
  };
}
