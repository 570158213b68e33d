import { expect, test } from "vitest";
import type { CounterCharge } from "../counters.js";
import { createReservations } from "./reservations.js";
import { earliestFit } from "./retry.js";
import { createCounter } from "./window.js";

const NOW = 1_000_000;
const BLOCKED_UNTIL = NOW + 60_000;

const CHARGE: CounterCharge = {
  ...{ counter: "calls|MINUTE", meter: "calls", amount: 1n, hardLimit: null, laterLimits: [], bounded: false },
  window: { kind: "admission", windowMs: 60_000 },
};

/** When the charge fits a counter that a loss blocks. */
function fits(charge: Partial<CounterCharge>): number | null {
  const { counter: id, window } = CHARGE;
  const counter = createCounter({ id, window, blockedUntil: BLOCKED_UNTIL, sinceSerial: 0, isStored: false });
  const outlook = { now: NOW, reservations: createReservations(), lost: [] };
  return earliestFit([{ charge: { ...CHARGE, ...charge }, counter }], outlook);
}

test("a loss blocks hard limits only, for as long as they are hard", () => {
  const softLater = [{ at: NOW + 5_000, hardLimit: null }];
  const hardLater = [{ at: NOW + 5_000, hardLimit: 9n }];
  expect(fits({ hardLimit: 9n })).toBe(BLOCKED_UNTIL);
  expect(fits({ hardLimit: 9n, laterLimits: softLater })).toBe(NOW + 5_000);
  expect(fits({ hardLimit: null, laterLimits: softLater })).toBe(NOW);
  expect(fits({ hardLimit: null, laterLimits: hardLater })).toBe(NOW);
  expect(fits({ hardLimit: 0n, laterLimits: [{ at: BLOCKED_UNTIL + 1, hardLimit: 9n }] })).toBe(BLOCKED_UNTIL + 1);
});
