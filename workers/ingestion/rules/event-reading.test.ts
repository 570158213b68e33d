import { expect, test } from "vitest";
import type { MeterState } from "#schema/events/tenancy-changed.v1.js";
import { createEventReader, type MetersAndTenants } from "./event-reading.js";
import { dimensionsUuid } from "./fingerprint.js";

const NOVEMBER = Date.UTC(2026, 10, 1);
const DECEMBER = Date.UTC(2026, 11, 1);
const meter = (id: string, changes: Partial<MeterState> = {}): MeterState => ({
  ...{ kind: "meter", id, version: 1, name: id, eventType: "t", aggregation: "SUM", valueProperty: "n" },
  ...{ dimensions: ["model"], unit: null, createdInVersion: 1, archivedInVersion: null },
  ...changes,
});
const tokens = meter("tokens");
const calls = meter("calls", { aggregation: "COUNT", valueProperty: null, dimensions: [] });
const later = meter("later", { createdInVersion: 9 });

/** A reader, and how often it asked for meters. */
function readerOf(...meters: readonly MeterState[]) {
  let asked = 0;
  const tenancy: MetersAndTenants = {
    metersOfType: (type) => {
      asked += 1;
      return meters.filter(({ eventType }) => eventType === type);
    },
    tenant: (id) => ({ acme: { billingAnchorDay: 1 }, globex: { billingAnchorDay: 15 } })[id],
  };
  return { ...createEventReader(tenancy, 5), asked: () => asked };
}
const event = (changes: object = {}) => ({
  ...{ tenantId: "acme", type: "t", time: NOVEMBER, data: '{"n":"2","model":"xl"}' },
  ...changes,
});

test("an event is read by the active meters of its type, and uses a combination of each that has dimensions", () => {
  const reader = readerOf(tokens, calls, later, meter("other", { eventType: "u" }));
  const scope = {
    ...{ key: `acme\0tokens\0${NOVEMBER}`, tenantId: "acme", meter: tokens },
    period: { start: NOVEMBER, end: DECEMBER },
  };
  expect(reader.read(event())).toEqual({ kind: "readable", uses: [{ scope, value: dimensionsUuid(["xl"]) }] });
  expect(reader.scopes(event())).toEqual([scope]);
  expect(reader.read(event({ type: "unknown" }))).toEqual({ kind: "readable", uses: [] });
});

test("what one of the meters cannot read says why, with its path", () => {
  const reader = readerOf(calls, tokens);
  expect(reader.read(event({ data: '{"n":"x"}' }))).toEqual({
    ...{ kind: "invalid", detail: expect.stringMatching(/^data\.n: must be a decimal/) },
  });
});

test("data is parsed only where a meter reads it, and what is no JSON is what no meter can read", () => {
  const broken = event({ data: "{" });
  expect(readerOf(calls).read(broken)).toEqual({ kind: "readable", uses: [] });
  expect(readerOf(calls, tokens).read(broken)).toEqual({ kind: "invalid", detail: "data: must be JSON" });
  const byRegion = meter("by region", { aggregation: "COUNT", valueProperty: null, dimensions: ["region"] });
  expect(readerOf(byRegion).read(broken)).toMatchObject({ kind: "invalid" });
  // Parsed before: as it is.
  expect(readerOf(tokens).read(event({ value: { n: "x" } }))).toMatchObject({ kind: "invalid" });
});

test("each tenant, meter and billing period is a scope of its own, which all its events share", () => {
  const reader = readerOf(tokens, meter("more", { dimensions: ["model", "region"] }));
  const keysOf = (changes: object) => reader.scopes(event(changes)).map(({ key }) => key);
  const globexStart = Date.UTC(2026, 9, 15);
  for (let round = 0; round < 2; round += 1) {
    expect(keysOf({})).toEqual([`acme\0tokens\0${NOVEMBER}`, `acme\0more\0${NOVEMBER}`]);
    expect(keysOf({ time: DECEMBER - 1 })).toEqual(keysOf({}));
    expect(keysOf({ time: DECEMBER })).toEqual([`acme\0tokens\0${DECEMBER}`, `acme\0more\0${DECEMBER}`]);
    expect(keysOf({ tenantId: "globex" })).toEqual([`globex\0tokens\0${globexStart}`, `globex\0more\0${globexStart}`]);
    // Not known yet: the first of the month, as for most.
    expect(keysOf({ tenantId: "nobody" })).toEqual([`nobody\0tokens\0${NOVEMBER}`, `nobody\0more\0${NOVEMBER}`]);
  }
  const [one] = reader.scopes(event());
  reader.scopes(event({ time: DECEMBER }));
  expect(reader.scopes(event({ time: DECEMBER - 1 }))[0]).toBe(one);
});

test("combinations of the same values are the same, and of other values or another order are not", () => {
  const reader = readerOf(meter("pairs", { dimensions: ["a", "b"] }));
  const combinationOf = (value: object) => {
    const reading = reader.read(event({ data: JSON.stringify({ n: 1, ...value }) }));
    return reading.kind === "readable" ? reading.uses[0]?.value : reading.detail;
  };
  expect(combinationOf({ a: "x", b: "y" })).toBe(dimensionsUuid(["x", "y"]));
  expect(combinationOf({ b: "y", a: "x" })).toBe(dimensionsUuid(["x", "y"]));
  expect(combinationOf({ a: "y", b: "x" })).toBe(dimensionsUuid(["y", "x"]));
  expect(combinationOf({ a: "xy" })).toBe(dimensionsUuid(["xy", ""]));
  expect(combinationOf({ a: "x", b: "y" })).toBe(dimensionsUuid(["x", "y"]));
});

test("meters are looked up once for each type", () => {
  const reader = readerOf(tokens);
  for (let round = 0; round < 3; round += 1) reader.scopes(event());
  reader.read(event());
  expect(reader.asked()).toBe(1);
});
