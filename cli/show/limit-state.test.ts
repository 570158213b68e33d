import { expect, test } from "vitest";
import { stateOf } from "./limit-state.js";

test.each([
  ["1", "1", "2", "REACHED"],
  ["0", "0.000000000001", "0", "EXCEEDED"],
  ["999999999999999999", "0.000000000001", "999999999999999999", "EXCEEDED"],
  ["999999999999999999", "0", "999999999999999999", "REACHED"],
])("EXCEEDED with %s used and %s reserved of %s is %s", (used, reserved, limit, shown) => {
  expect(stateOf({ state: "EXCEEDED", used, reserved, limit: { limit } })).toBe(shown);
});

test("every other state is shown as it is", () => {
  for (const state of ["OK", "WARNING", "REBUILDING", "DEGRADED"] as const)
    expect(stateOf({ state, used: "2", reserved: "0", limit: { limit: "2" } })).toBe(state);
});
