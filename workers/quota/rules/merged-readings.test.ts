import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ZERO } from "#kernel/decimal.js";
import { DAY_MS, HOUR_MS, SECOND_MS } from "#kernel/duration.js";
import type { MeterState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { LedgerEntry, RecordedEvent } from "#schema/events/usage-recorded.v1.js";
import { PERIOD_WINDOWS } from "#schema/vocabulary.js";
import { createMergedReadings } from "./merged-readings.js";
import { grainsOf, usageReadings } from "./usage.js";
import type { UsageReading } from "./usage-reading.js";
import { GRAIN_MS, periodOf, SLIDING_GRAINS } from "./windows.js";

const NOW = Date.UTC(2026, 9, 25, 0, 59, 59);
const ZONES = ["UTC", "Asia/Kathmandu", "America/St_Johns", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Monrovia"];
const tenant = (change: Partial<TenantState> = {}): TenantState => ({
  ...{ kind: "tenant", id: "acme", version: 1, name: "Acme", status: "ACTIVE", createdAt: 0, createdInVersion: 1 },
  ...{ graceDays: [], closedInVersion: null },
  ...{ billingAnchorDay: 1, startsAt: 0, currency: "EUR", assignments: [], testClock: null, closedAt: null },
  ...change,
});
const meter = (id: string, changes: Partial<MeterState> = {}): MeterState => ({
  ...{ kind: "meter", id, version: 1, name: id, eventType: "call", aggregation: "COUNT", valueProperty: null },
  ...{ dimensions: ["region"], unit: null, createdInVersion: 1, archivedInVersion: null },
  ...changes,
});
const SUM: Partial<MeterState> = { aggregation: "SUM", valueProperty: "n", dimensions: [] };
const METERS = [
  meter("calls"),
  meter("tokens", SUM),
  meter("peak", { ...SUM, aggregation: "MAX" }),
  meter("later", { createdInVersion: 2 }),
  meter("limited", { eventType: "gated" }),
  meter("beside", { ...SUM, eventType: "gated" }),
  meter("limited later", { ...SUM, eventType: "promoted" }),
];
const metersOfType = (type: string) => METERS.filter(({ eventType }) => eventType === type);
const isUnlimited = ({ id }: Pick<MeterState, "id">, _: number, version: number): boolean =>
  id !== "limited" && (id !== "limited later" || version === 1);

const arbitraryEvent = fc.record({
  type: fc.constantFrom("call", "gated", "promoted", "unmetered"),
  time: fc.oneof(fc.integer({ min: NOW - 1_500, max: NOW + 1_500 }), fc.integer({ min: NOW - 70 * DAY_MS, max: NOW })),
  n: fc.constantFrom("1", "-3", "0.25", "999999999999999", "123456789012345678.000000000001", "none"),
  ...{ stamp: fc.nat(2), imported: fc.boolean(), isVoid: fc.nat(9) },
});

/** Events in the order of their stamps; some are voids of themselves. */
const ledgerOf = (drawn: readonly (typeof arbitraryEvent extends fc.Arbitrary<infer T> ? T : never)[]): LedgerEntry[] =>
  drawn
    .toSorted((a, b) => a.stamp - b.stamp)
    .map(({ type, time, n, stamp, imported, isVoid }, index) => {
      const common = { seq: index + 1, recordedAt: NOW + Math.floor(stamp / 2), tenancyVersion: 1 + (stamp % 2) };
      const event: RecordedEvent = {
        ...{ kind: "event", ...common, tenantId: "acme", source: "s", id: `e${index}`, type, time },
        ...{ receivedAt: NOW, data: JSON.stringify({ region: "eu", n }), ...(imported && { imported }) },
      };
      return isVoid === 0 ? { kind: "void", ...common, tenantId: "acme", reason: "r", actor: "a", event } : event;
    });

function mergedOf(of: TenantState, ledger: readonly LedgerEntry[]): readonly UsageReading[] {
  const merged = createMergedReadings(of, metersOfType, isUnlimited);
  const readings: UsageReading[] = [];
  for (const entry of ledger) {
    if (entry.kind === "event" && !entry.imported && merged.take(entry) !== "limited") continue;
    const own = usageReadings(entry, metersOfType, of);
    if (own.length > 0) readings.push(...merged.finish(), ...own);
  }
  return [...readings, ...merged.finish()];
}

/** The totals that readings add to, and what each limited reading saw of its own meter before it. */
function effectOf(of: TenantState, readings: readonly UsageReading[]) {
  const totals = new Map<string, string>();
  const seen: string[] = [];
  const sums = new Map<string, UsageReading["value"]>();
  for (const reading of readings) {
    const isJudged = !isUnlimited({ id: reading.meter }, 0, reading.tenancyVersion);
    for (const { grain, bucketStart } of grainsOf(reading, of, undefined)) {
      const key = `${reading.meter} ${grain} ${bucketStart}`;
      const sum = sums.get(key) ?? ZERO;
      if (isJudged) seen.push(`${reading.seq} ${reading.eventId} ${key} ${sum}`);
      sums.set(key, sum.plus(reading.value));
    }
  }
  for (const [key, sum] of sums) totals.set(key, sum.toFixed());
  return { totals: new Map([...totals].sort(([a], [b]) => (a < b ? -1 : 1))), seen };
}

describe("merged readings", () => {
  test("add up to the same totals as single ones, and limited usage sees what came before it", () => {
    fc.assert(
      fc.property(
        fc.array(arbitraryEvent, { maxLength: 40 }),
        fc.constantFrom(...ZONES),
        fc.integer({ min: 1, max: 28 }),
        (drawn, timeZone, billingAnchorDay) => {
          const of = tenant({ timeZone, billingAnchorDay });
          const ledger = ledgerOf(drawn);
          const single = ledger.flatMap((entry) => usageReadings(entry, metersOfType, of));
          expect(effectOf(of, mergedOf(of, ledger))).toEqual(effectOf(of, single));
        },
      ),
      { numRuns: 500 },
    );
  });

  test("of one second and stamp are one per meter, however many events there are", () => {
    const ledger = Array.from({ length: 1_000 }, (_, n) => ({
      type: "call" as const,
      time: NOW + n,
      n: "0.25" as const,
    }));
    const entries = ledgerOf(ledger.map((one) => ({ ...one, stamp: 0, imported: false, isVoid: 1 })));
    const readings = mergedOf(tenant(), entries).map(({ meter: id, value, seq }) => `${id} ${value} ${seq}`);
    expect(readings).toEqual(["calls 1000 1", "tokens 250 1"]);
  });

  test("rest on every window beginning and ending with a second", () => {
    for (const grain of SLIDING_GRAINS) expect(Number.isInteger(GRAIN_MS[grain] / SECOND_MS)).toBe(true);
    const moments = Array.from({ length: 400 }, (_, n) => Date.UTC(1970, 0, 1) + n * 73 * DAY_MS + n * HOUR_MS);
    for (const timeZone of ZONES)
      for (const window of PERIOD_WINDOWS)
        for (const moment of moments) {
          const { start, end } = periodOf(window, moment, { billingAnchorDay: 5, timeZone });
          expect([start, end].every((at) => Number.isInteger(at / SECOND_MS))).toBe(true);
        }
  });
});
