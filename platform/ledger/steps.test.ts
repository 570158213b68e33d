import { expect, test } from "vitest";
import type { MeterState } from "#schema/events/tenancy-changed.v1.js";
import type { LedgerEntry, RecordedEvent } from "#schema/events/usage-recorded.v1.js";
import { ledgerSteps } from "./steps.js";

const event = (seq: number, tenancyVersion: number) =>
  ({ kind: "event", seq, type: "call", tenancyVersion }) as RecordedEvent;
const events = (tenancyVersion: number) => Array.from({ length: 1_000 }, (_, n) => event(n + 1, tenancyVersion));
/** At version 9, of events recorded at this one. */
const voidsOf = (tenancyVersion: number) =>
  events(tenancyVersion).map((event) => ({ kind: "void", seq: event.seq, tenancyVersion: 9, event }) as LedgerEntry);

const meters = (count: number, createdInVersion = 1, archivedInVersion: number | null = null) =>
  Array.from({ length: count }, () => ({ createdInVersion, archivedInVersion }) as MeterState);
const lengths = (entries: readonly LedgerEntry[], of: readonly MeterState[], maxEntries = 1_000) =>
  [...ledgerSteps(entries, maxEntries, () => of)].map(({ length }) => length);

test("a transaction has fewer entries the more meters count them", () => {
  expect(lengths(events(1), meters(1))).toEqual([1_000]);
  expect(lengths(events(1), meters(1), 600)).toEqual([600, 400]);
  expect(lengths(events(1), meters(50))).toEqual([200, 200, 200, 200, 200]);
});

test("only meters that are active at an entry's version count it", () => {
  const active = [...meters(1), ...meters(2_000, 1, 4), ...meters(2_000, 6)];
  expect(lengths(events(5), active)).toEqual([1_000]);
  expect(lengths(events(3).slice(0, 12), active)).toEqual([5, 5, 2]);
});

test("a void counts like its event, and like one that a backfill counted since", () => {
  expect(lengths(voidsOf(5), meters(50))).toEqual([200, 200, 200, 200, 200]);
  expect(lengths(voidsOf(5), meters(50, 1, 8))).toEqual([200, 200, 200, 200, 200]);
  expect(lengths(voidsOf(5), meters(50, 6))).toEqual([200, 200, 200, 200, 200]);
  expect(lengths(voidsOf(5), meters(50, 1, 4))).toEqual([1_000]);
});
