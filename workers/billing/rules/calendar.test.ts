import { describe, expect, test } from "vitest";
import { DAY_MS } from "#kernel/duration.js";
import { MetrlyError } from "#kernel/errors.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { at, tenant } from "../world.testing.js";
import {
  closingOfClose,
  closingsOfTick,
  earliestOpenPeriod,
  openStatus,
  periodStartingAt,
  periodsDueByTestClock,
} from "./calendar.js";

const starts = [1, 2, 3, 4, 5].map((month) => at(`2026-0${month}-01T00:00:00`));
const [JANUARY = 0, FEBRUARY = 0, MARCH = 0, APRIL = 0] = starts;
const GRACE_MS = 3 * DAY_MS;
const acme = tenant("acme");
const startsOf = (closings: readonly { period: { start: number } }[]) => closings.map(({ period }) => period.start);

const tick = (when: number, tenancyVersion = 1): Extract<LedgerEntry, { kind: "tick" }> => ({
  ...{ kind: "tick", seq: 7, recordedAt: when + 1, tenancyVersion, at: when, invoiceVersion: 2 },
});
const close = (periodStart: number, recordedAt: number): Extract<LedgerEntry, { kind: "close" }> => ({
  ...{ kind: "close", seq: 8, recordedAt, tenancyVersion: 1, tenantId: "acme", periodStart, actor: "admin" },
});

test("the earliest open period is the tenant's first, or the one after the last that ended", () => {
  expect(earliestOpenPeriod(acme, undefined)).toEqual({ start: JANUARY, end: FEBRUARY });
  expect(earliestOpenPeriod(acme, FEBRUARY)).toEqual({ start: FEBRUARY, end: MARCH });
});

test("a period is named by its start, from the tenant's first on", () => {
  expect(periodStartingAt(acme, JANUARY)).toEqual({ start: JANUARY, end: FEBRUARY });
  expect(periodStartingAt(acme, MARCH).start).toBe(MARCH);
  const refusal = new MetrlyError("INVALID", "periodStart: no billing period of the tenant starts then");
  for (const start of [FEBRUARY + 1, FEBRUARY - 1, at("2025-12-01T00:00:00")])
    expect(() => periodStartingAt(acme, start)).toThrow(refusal);
});

describe("a tick", () => {
  test("ends a period when its grace time has passed", () => {
    expect(closingsOfTick(tick(FEBRUARY + GRACE_MS - 1), acme, undefined)).toEqual([]);
    expect(closingsOfTick(tick(FEBRUARY + GRACE_MS), acme, undefined)).toEqual([
      {
        ...{ tenantId: "acme", period: { start: JANUARY, end: FEBRUARY }, watermark: 7, tenancyVersion: 1 },
        ...{ plan: acme.assignments[0], invoiceVersion: 2 },
      },
    ]);
  });

  test("ends all that are due, in order, after those that have ended", () => {
    expect(startsOf(closingsOfTick(tick(APRIL + GRACE_MS), acme, undefined))).toEqual([JANUARY, FEBRUARY, MARCH]);
    expect(startsOf(closingsOfTick(tick(APRIL + GRACE_MS), acme, MARCH))).toEqual([MARCH]);
  });

  test("ends nothing of a tenant that was created after it, or has a test clock", () => {
    const later = tenant("acme", { createdInVersion: 2 });
    expect(closingsOfTick(tick(APRIL, 1), later, undefined)).toEqual([]);
    expect(closingsOfTick(tick(APRIL, 2), later, undefined)).toHaveLength(2);
    expect(closingsOfTick(tick(APRIL), tenant("acme", { testClock: APRIL }), undefined)).toEqual([]);
  });

  test("of before documents had versions asks for the first", () => {
    const { invoiceVersion: _, ...old } = tick(FEBRUARY + GRACE_MS);
    const unassigned = tenant("acme", { assignments: [] });
    expect(closingsOfTick(old, unassigned, undefined)).toMatchObject([{ invoiceVersion: 1, plan: undefined }]);
  });
});

describe("a close record", () => {
  test("ends the earliest open period once it is over, without grace", () => {
    expect(closingOfClose(close(JANUARY, FEBRUARY), acme, undefined)).toMatchObject({
      ...{ period: { start: JANUARY, end: FEBRUARY }, watermark: 8, invoiceVersion: 1 },
    });
    expect(closingOfClose(close(JANUARY, FEBRUARY - 1), acme, undefined)).toBeUndefined();
    expect(closingOfClose(close(JANUARY, APRIL), acme, FEBRUARY)).toBeUndefined();
    expect(closingOfClose(close(FEBRUARY, APRIL), acme, undefined)).toBeUndefined();
    expect(closingOfClose(close(FEBRUARY, APRIL), acme, FEBRUARY)?.period.start).toBe(FEBRUARY);
  });

  test("of a test tenant does not depend on the recorder's clock; of one created after it, ends nothing", () => {
    expect(closingOfClose(close(JANUARY, 0), tenant("acme", { testClock: 0 }), undefined)).toBeDefined();
    expect(closingOfClose(close(JANUARY, APRIL), tenant("acme", { createdInVersion: 2 }), undefined)).toBeUndefined();
  });
});

test("a test clock makes due what it has passed with grace, whenever the tenant was created", () => {
  const due = (testClock: number | null, closedThrough?: number) =>
    periodsDueByTestClock(tenant("acme", { testClock, createdAt: starts[4] ?? 0 }), closedThrough).map(
      ({ start }) => start,
    );
  expect(due(null)).toEqual([]);
  expect(due(FEBRUARY + GRACE_MS - 1)).toEqual([]);
  expect(due(FEBRUARY + GRACE_MS)).toEqual([JANUARY]);
  expect(due(APRIL + GRACE_MS)).toEqual([JANUARY, FEBRUARY, MARCH]);
  expect(due(APRIL + GRACE_MS, FEBRUARY)).toEqual([FEBRUARY, MARCH]);
});

test("a period is open until its end, and in grace from it on", () => {
  const period = { start: JANUARY, end: FEBRUARY };
  expect([FEBRUARY - 1, FEBRUARY].map((now) => openStatus(period, now))).toEqual(["OPEN", "GRACE"]);
});
