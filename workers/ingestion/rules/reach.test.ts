import fc from "fast-check";
import { expect, test } from "vitest";
import { HOUR_MS } from "#kernel/duration.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { type Reach, reachOf, unreadReach } from "./reach.js";

const event = (seq: number, hour: number, tenantId = "acme"): LedgerEntry => ({
  ...{ kind: "event", seq, tenantId, source: "test", id: `${seq}`, type: "call", data: "{}", tenancyVersion: 1 },
  ...{ time: hour * HOUR_MS + 7, receivedAt: 0, recordedAt: 0 },
});
const isOfTest = (tenantId: string): boolean => tenantId === "test";

test("no event of a moment is before where its hour was reached, in whatever batches and order they come", () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 6 })),
      fc.integer({ min: 1, max: 31 }),
      (batches, hour) => {
        const reached: Reach[] = [];
        const all: LedgerEntry[] = [];
        for (const hours of batches) {
          const entries = hours.map((one, index) => event(all.length + index + 1, one));
          const reach = reachOf(entries, reached.at(-1)?.hour ?? 0, isOfTest);
          if (reach !== undefined) reached.push(reach);
          all.push(...entries);
        }
        const wanted = all.find((entry) => entry.kind === "event" && entry.time >= hour * HOUR_MS)?.seq;
        const found = reached.find((reach) => reach.hour >= hour * HOUR_MS)?.firstSeq;
        expect(found === undefined).toBe(wanted === undefined);
        if (found !== undefined && wanted !== undefined) expect(found).toBeLessThanOrEqual(wanted);
        expect(reached.map(({ hour: at }) => at)).toEqual(
          [...new Set(reached.map(({ hour: at }) => at))].sort((a, b) => a - b),
        );
      },
    ),
  );
});

test("a test tenant's clock, which may be years ahead, reaches nothing", () => {
  expect(reachOf([event(1, 500_000, "test"), event(2, 3)], 2 * HOUR_MS, isOfTest)).toEqual({
    hour: 3 * HOUR_MS,
    firstSeq: 2,
  });
  expect(reachOf([event(1, 2)], 2 * HOUR_MS, isOfTest)).toBeUndefined();
});

test("a tick reaches nothing, whatever its moment, and entries that were not read reach an hour beyond their arrival", () => {
  const tick: LedgerEntry = { kind: "tick", seq: 1, recordedAt: 0, tenancyVersion: 1, at: 9 * HOUR_MS };
  const noted: LedgerEntry = { ...event(1, 9), kind: "backfill", meterKey: "m" } as LedgerEntry;
  expect(reachOf([tick, noted], 2 * HOUR_MS, isOfTest)).toBeUndefined();
  expect(unreadReach(7, undefined)).toBeUndefined();
  expect(unreadReach(7, 2 * HOUR_MS)).toEqual({ hour: 3 * HOUR_MS, firstSeq: 7 });
});
