import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Decimal, formatDecimal } from "#kernel/decimal.js";
import { dataschemaOf } from "#schema/events/contract.js";
import { quotaExceededV1 } from "#schema/events/quota-exceeded.v1.js";
import { quotaWarningV1 } from "#schema/events/quota-warning.v1.js";
import { amountOf } from "./amount.js";
import type { LimitInForce } from "./limits.js";
import { alertId, alertOf, crossings, EXCEEDED, reachedSince, risesBeyond } from "./thresholds.js";

const decimal = (text: string) => new Decimal(text);
const limit = (changed: Partial<LimitInForce> = {}): LimitInForce => ({
  meter: "calls",
  window: "DAY",
  kind: "HARD",
  limit: decimal("10"),
  text: "10",
  warnAt: [decimal("0.5"), decimal("0.8")],
  counter: { meter: "calls", window: "DAY" },
  counterId: "calls|DAY",
  meterArchived: false,
  units: { most: amountOf(decimal("10")), warnings: [] },
  ...changed,
});

describe("thresholds", () => {
  const crossed = (before: string, after: string, changed: Partial<LimitInForce> = {}) =>
    crossings(limit(changed), decimal(before), decimal(after)).map(({ threshold }) => threshold);

  test("each is crossed when usage reaches it, and a step that crosses several reports them in order", () => {
    expect(crossed("0", "4.9")).toEqual([]);
    expect(crossed("4.9", "5")).toEqual(["0.5"]);
    expect(crossed("5", "7")).toEqual([]);
    expect(crossed("0", "12")).toEqual(["0.5", "0.8", "1"]);
    expect(crossed("8", "8")).toEqual([]);
    expect(crossed("12", "3")).toEqual([]);
  });

  test("a crossing says whether it is a share, an amount or the limit", () => {
    const terms = limit({ warnAtAmounts: [decimal("3")], warnEvery: decimal("7") });
    expect(crossings(terms, decimal("0"), decimal("12"))).toEqual([
      { kind: "warning", threshold: "3", thresholdKind: "AMOUNT" },
      { kind: "warning", threshold: "0.5", thresholdKind: "SHARE" },
      { kind: "warning", threshold: "7", thresholdKind: "AMOUNT" },
      { kind: "warning", threshold: "0.8", thresholdKind: "SHARE" },
      { kind: "exceeded", threshold: "1", thresholdKind: "SHARE" },
    ]);
  });

  test("a warning above the limit, one at the limit, and a limit of zero", () => {
    expect(crossed("0", "15", { warnAt: [decimal("1"), decimal("1.2")] })).toEqual(["1", "1.2"]);
    expect(crossed("0", "0", { limit: decimal("0") })).toEqual([]);
    expect(crossed("0", "1", { limit: decimal("0") })).toEqual(["1"]);
    expect(crossed("1", "2", { limit: decimal("0") })).toEqual([]);
  });

  test("amounts warn beside shares, in order, and the limit itself is told as exceeded", () => {
    const amounts = { warnAtAmounts: ["3", "5", "10", "20"].map(decimal) };
    expect(crossed("0", "25", amounts)).toEqual(["3", "0.5", "5", "0.8", "1", "20"]);
    expect(crossed("3", "4", amounts)).toEqual([]);
    expect(crossed("0", "4", { ...amounts, limit: decimal("0") })).toEqual(["1", "3"]);
  });

  test("of the multiples of `warnEvery` that one entry passes only the highest is told", () => {
    const every = { warnAt: [], warnEvery: decimal("2.5") };
    expect(crossed("0", "2.4", every)).toEqual([]);
    expect(crossed("0", "2.5", every)).toEqual(["2.5"]);
    expect(crossed("2.5", "4.9", every)).toEqual([]);
    expect(crossed("2.4", "9.9", every)).toEqual(["7.5"]);
    expect(crossed("0", "11", every)).toEqual(["1"]);
    expect(crossed("11", "13", every)).toEqual(["12.5"]);
    expect(crossed("13", "3", every)).toEqual([]);
    expect(crossed("-9", "-3", every)).toEqual([]);
    expect(crossed("2", "6", { ...every, warnAtAmounts: [decimal("5"), decimal("6")] })).toEqual(["5", "6"]);
  });

  test("a thousand multiples are told at most, and none of a limit of zero", () => {
    const every = (text: string, most: string) => ({ warnAt: [], limit: decimal(most), warnEvery: decimal(text) });
    expect(crossed("0", "5", every("0.000000000001", "0"))).toEqual(["1"]);
    expect(crossed("1", "5", every("1", "0"))).toEqual([]);
    expect(crossed("0", "1", every("1", "1000000000"))).toEqual([]);
    expect(crossed("0", "1000000", every("1", "1000000000"))).toEqual(["1000000"]);
    expect(crossed("1000000", "1999999", every("1", "1000000000"))).toEqual([]);
    expect(crossed("0", "3", every("1", "2001"))).toEqual(["3"]);
    expect(crossed("1999", "2003", every("1", "2000"))).toEqual(["1"]);
    expect(crossed("999", "5000", every("1", "100"))).toEqual(["1000"]);
    expect(crossed("1000", "5000", every("1", "100"))).toEqual([]);
    const largest = "999999999999999999.999999999999";
    expect(crossed("0", "999999999999999", every("0.000000000001", largest))).toEqual([]);
    expect(crossed("0", "1000000000000000", every("0.000000000001", largest))).toEqual(["1000000000000000"]);
  });

  test("however usage is cut into rising steps, the last multiple told is the highest that was reached", () => {
    const step = fc.integer({ min: 0, max: 40 });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), fc.integer({ min: 2, max: 9 }), (steps, every) => {
        const terms = limit({ limit: decimal("2000"), warnAt: [], warnEvery: decimal(String(every)) });
        let [total, told] = [0, 0];
        for (const one of steps) {
          const found = crossings(terms, decimal(String(total)), decimal(String(total + one)));
          expect(found.length).toBeLessThan(2);
          for (const { threshold } of found) told = Number(threshold);
          total += one;
        }
        expect(told).toBe(Math.floor(total / every) * every);
      }),
    );
  });

  test("however usage is cut into rising steps, each threshold is crossed exactly once", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 6 }), { maxLength: 30 }), (steps) => {
        const crossed: string[] = [];
        let total = decimal("0");
        for (const step of steps) {
          const after = total.plus(step);
          crossed.push(...crossings(limit(), total, after).map(({ threshold }) => threshold));
          total = after;
        }
        const expected = ["0.5", "0.8", "1"].filter((threshold) => total.gte(decimal(threshold).times(10)));
        expect(crossed).toEqual(expected);
      }),
    );
  });

  test("alerts match their contracts and have an id that identifies the crossing", () => {
    const facts = {
      tenantId: "acme",
      planId: "pro",
      planVersion: 2,
      windowStart: Date.UTC(2026, 10, 1),
      used: decimal("8"),
      at: Date.UTC(2026, 10, 24),
    };
    const warning = alertOf(
      { ...facts, limit: limit() },
      { kind: "warning", threshold: "0.8", thresholdKind: "SHARE" },
    );
    expect(quotaWarningV1.parse(JSON.parse(JSON.stringify(warning))).id).toBe(
      "acme:calls:DAY:pro@2:2026-11-01T00:00:00.000Z:0.8",
    );
    const amount = alertOf(
      { ...facts, limit: limit() },
      { kind: "warning", threshold: "0.8", thresholdKind: "AMOUNT" },
    );
    expect(quotaWarningV1.parse(JSON.parse(JSON.stringify(amount)))).toMatchObject({
      id: "acme:calls:DAY:pro@2:2026-11-01T00:00:00.000Z:amount 0.8",
      data: { threshold: "0.8", thresholdKind: "AMOUNT" },
    });
    expect(warning.data).not.toHaveProperty("thresholdKind");
    expect(warning).toEqual({
      ...{ specversion: "1.0", type: quotaWarningV1.type, dataschema: dataschemaOf(quotaWarningV1.type) },
      ...{ id: "acme:calls:DAY:pro@2:2026-11-01T00:00:00.000Z:0.8", source: "metrly/quota", subject: "acme" },
      time: "2026-11-24T00:00:00.000Z",
      data: {
        ...{ tenantId: "acme", meter: "calls", window: "DAY", windowStart: "2026-11-01T00:00:00.000Z", kind: "HARD" },
        ...{ threshold: "0.8", limit: "10", used: "8", planId: "pro", planVersion: 2, at: "2026-11-24T00:00:00.000Z" },
      },
    });
    const raised = alertOf(
      { ...facts, limit: limit({ override: { inVersion: 9, planLimit: limit() } }) },
      { kind: "warning", threshold: "0.8", thresholdKind: "SHARE" },
    );
    expect(raised.id).toBe("acme:calls:DAY:pro@2:2026-11-01T00:00:00.000Z:0.8:override@9");
    const requests = limit({ meter: null });
    const exceeded = alertOf(
      { ...facts, limit: requests },
      { kind: "exceeded", threshold: "1", thresholdKind: "SHARE" },
    );
    expect(quotaExceededV1.parse(JSON.parse(JSON.stringify(exceeded))).id).toBe(
      "acme:requests:DAY:pro@2:2026-11-01T00:00:00.000Z:1",
    );
    const { type, dataschema } = exceeded;
    expect([type, dataschema]).toEqual([quotaExceededV1.type, dataschemaOf(quotaExceededV1.type)]);
  });

  const rises = (text: string, before: string, after: string) =>
    risesBeyond({ limit: decimal(text) }, decimal(before), decimal(after));

  test("an alert of a limit in money is another than that of a meter called like it", () => {
    const counter = { meter: "money", window: "BILLING_PERIOD" } as const;
    const money = { currency: "EUR", lines: [] };
    const idOf = (changed: Partial<LimitInForce>) =>
      alertId(
        {
          ...{ tenantId: "acme", planId: "pro", planVersion: 1, windowStart: 0 },
          limit: limit({ window: "BILLING_PERIOD", ...changed }),
        },
        EXCEEDED,
      );
    const ofMeter = idOf({ meter: "money", counter });
    expect(idOf({ meter: null, counter: { ...counter, meter: null, unit: "MONEY" }, money })).not.toBe(ofMeter);
  });

  test("usage that was at the limit and rises is beyond it, other usage is not", () => {
    expect(rises("10", "9", "10")).toBe(false);
    expect(rises("10", "10", "10.1")).toBe(true);
    expect(rises("10", "12", "11")).toBe(false);
    expect(rises("0", "0", "1")).toBe(false);
    expect(rises("0", "1", "2")).toBe(true);
  });

  test("what tells that usage exceeds a limit is its alert, and those of earlier limits since one that was not reached", () => {
    const of = (text: string) => limit({ limit: decimal(text) });
    const told = (current: string, earlier: string[], used: string) =>
      reachedSince(of(current), earlier.map(of), decimal(used)).map((one) => formatDecimal(one.limit));
    expect(told("400", [], "450")).toEqual(["400"]);
    expect(told("400", ["1000"], "450")).toEqual(["400"]);
    expect(told("440", ["400", "1000"], "450")).toEqual(["440", "400"]);
    expect(told("420", ["1000", "400"], "450")).toEqual(["420"]);
    expect(told("500", ["600", "1000"], "700")).toEqual(["500", "600"]);
    expect(told("400", ["1000", "400"], "1001")).toEqual(["400", "1000", "400"]);
  });

  test("whatever stood before, a limit's own alert tells it, and one of a limit that was not reached never does", () => {
    const texts = fc.integer({ min: 0, max: 20 }).map(String);
    fc.assert(
      fc.property(texts, fc.array(texts), fc.integer({ min: 0, max: 20 }), (current, earlier, used) => {
        const all = earlier.map((text) => limit({ limit: decimal(text) }));
        const [own, ...others] = reachedSince(limit({ limit: decimal(current) }), all, decimal(String(used)));
        expect(formatDecimal(own?.limit ?? decimal("-1"))).toBe(current);
        expect(others).toEqual(all.slice(0, others.length));
        expect(others.every((one) => one.limit.lte(used))).toBe(true);
      }),
    );
  });
});
