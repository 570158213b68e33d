import { expect, test } from "vitest";
import type { MeterState } from "#schema/events/tenancy-changed.v1.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { ledgerSteps } from "./steps.js";

const entries = Array.from({ length: 1_000 }, (_, n) => ({ kind: "event", seq: n + 1, type: "call" }) as LedgerEntry);
const lengths = (meters: number, maxEntries: number) =>
  [...ledgerSteps(entries, maxEntries, () => Array<MeterState>(meters))].map(({ length }) => length);

test("a transaction has fewer entries the more meters count them", () => {
  expect(lengths(1, 1_000)).toEqual([1_000]);
  expect(lengths(1, 600)).toEqual([600, 400]);
  expect(lengths(50, 1_000)).toEqual([200, 200, 200, 200, 200]);
});
