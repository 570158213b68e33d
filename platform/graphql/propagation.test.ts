import { expect, test } from "vitest";
import { joinPropagations, readPropagation } from "./propagation.js";

const quota = { role: "quota", instance: "quota-1" };
const billing = { role: "billing", instance: "billing-1" };
const done = { version: 3, complete: true, missing: [] };

test("of several mutations, the highest version counts, and whoever one of them misses", () => {
  const one = { version: 5, complete: false, missing: [quota] };
  const other = { version: 4, complete: false, missing: [billing, quota], reason: "LOG_UNAVAILABLE" };
  const both = { version: 5, complete: false, missing: [quota, billing], reason: "LOG_UNAVAILABLE" };
  expect(joinPropagations(one, other)).toEqual(both);
  expect(joinPropagations(joinPropagations(undefined, done), one)).toEqual(one);
  expect(joinPropagations(done, { ...done, version: 2 })).toEqual(done);
});

test.each([undefined, null, "no", {}, { propagation: {} }, { propagation: { ...done, missing: [{}] } }])(
  "of %j nothing is read",
  (extensions) => expect(readPropagation(extensions)).toBeUndefined(),
);

test("what a subgraph tells is read", () => expect(readPropagation({ other: 1, propagation: done })).toEqual(done));
