import { expect, test } from "vitest";
import { addTallies, describeTally, EMPTY_TALLY, type Tally } from "./tally.js";

const withTypes = (...unmetered: Tally["unmetered"]): Tally => ({ ...EMPTY_TALLY, accepted: 5, unmetered });

test("the summary names the types that no meter counts, with their events", () => {
  const sum = addTallies(
    withTypes({ type: "api.cal", count: 2 }),
    withTypes({ type: "api.cal", count: 1 }, { type: "b\n", count: 1 }),
  );
  expect(describeTally(sum, "accepted").split("\n")).toEqual([
    "10 rows: 10 accepted, 0 duplicates, 0 rejected",
    '  3 of type "api.cal", which no meter counts: recorded, and not billed',
    '  1 of type "b\\n", which no meter counts: recorded, and not billed',
    "",
  ]);
});

test("one duplicate is one", () => {
  expect(describeTally({ ...EMPTY_TALLY, duplicates: 1 }, "accepted")).toBe(
    "1 row: 0 accepted, 1 duplicate, 0 rejected\n",
  );
});

test("a file with a type of its own for each row does not fill the memory", () => {
  let sum: Tally = EMPTY_TALLY;
  for (let n = 0; n < 1_000; n += 1) sum = addTallies(sum, withTypes({ type: `t${n}`, count: 1 }));
  expect(sum.unmetered).toHaveLength(21);
  expect(sum.unmetered.reduce((total, { count }) => total + count, 0)).toBe(1_000);
});
