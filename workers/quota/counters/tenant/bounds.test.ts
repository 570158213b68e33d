import { expect, test } from "vitest";
import { boundOf, loweredTo, meterBound } from "./bounds.js";

const held = (bound: bigint, recent: bigint) => ({
  ...{ covers: boundOf(meterBound("calls")), bound, until: 900, version: 5, durable: 42n, recent },
});

test("a bound is lowered to what is open, with room for as much as was admitted lately", () => {
  expect(loweredTo(held(42n, 0n), 3n, 400)).toEqual({ bound: 3n, until: 400 });
  expect(loweredTo(held(42n, 3n), 3n, 400)).toEqual({ bound: 6n, until: 900 });
  expect(loweredTo(held(42n, 20n), 3n, 400)).toBeUndefined();
});

test("a lowering that nobody confirmed is never taken back: the database may have followed it", () => {
  expect(loweredTo(held(4n, 3n), 3n, 400)).toEqual({ bound: 4n, until: 900 });
  expect(loweredTo(held(4n, 0n), 4n, 400)).toEqual({ bound: 4n, until: 400 });
});
