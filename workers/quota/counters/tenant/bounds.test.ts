import { expect, test } from "vitest";
import { boundOf, loweredTo, meterBound } from "./bounds.js";
import { lowered, lowersAgainAt } from "./granting.js";
import { createReservations } from "./reservations.js";
import type { State } from "./state.js";

const held = (bound: bigint, recent: bigint) => ({
  ...{ covers: boundOf(meterBound("calls")), bound, until: 900, version: 5, durable: 42n, durableUntil: 900, recent },
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

test("a row that followed an earlier lowering than the last is looked at until it ends", () => {
  // All was released since: the last lowering, of which the database has not heard, ends at once.
  const bounds = new Map([["m|calls", { ...held(0n, 0n), until: 0 }]]);
  const state = { bounds, now: 100, reservations: createReservations(), journal: undefined } as unknown as State;
  lowered(state, [{ id: "m|calls", bound: 32n, until: 900, version: 5, nextVersion: 6 }]);
  expect(bounds.get("m|calls")).toMatchObject({ bound: 0n, durable: 32n, durableUntil: 900, until: 0, version: 6 });
  expect(lowersAgainAt(state)).toBe(0);
});
