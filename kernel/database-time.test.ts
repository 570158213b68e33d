import { expect, test } from "vitest";
import { isNotNow, isOutOfTime, isUnreachable, sqlStateOf, timeLimitRefusal } from "./database-time.js";

const ofDriver = (code: unknown): Error => Object.assign(new Error("refused"), { code });
/** As a generated client throws it: with a code of its own. */
const ofClient = (originalCode: unknown): Error =>
  Object.assign(new Error("refused"), { code: "P2010", meta: { driverAdapterError: { cause: { originalCode } } } });

test("the SQLSTATE of an error is the database's, from the driver or a generated client", () => {
  expect([ofDriver("40001"), ofClient("40001")].map(sqlStateOf)).toEqual(["40001", "40001"]);
  expect(sqlStateOf(Object.assign(new Error("refused"), { code: "P2010", meta: { driverAdapterError: {} } }))).toBe(
    "P2010",
  );
  expect(sqlStateOf(Object.assign(new Error("refused"), { code: "23505", meta: {} }))).toBe("23505");
  for (const none of [{ code: "40001" }, "40001", null, undefined, new Error("40001")])
    expect(sqlStateOf(none)).toBeUndefined();
  for (const code of [40_001, "4000", "400011", "ab001", "ECONNREFUSED"])
    expect(sqlStateOf(ofDriver(code))).toBeUndefined();
});

test.each([
  ["57014", "TOO_COMPLEX", /shorter time/],
  ["25P03", "TOO_COMPLEX", /shorter time/],
  ["25P04", "TOO_COMPLEX", /shorter time/],
  ["55P03", "BUSY", /Another change/],
  ["40001", "BUSY", /Another change/],
  ["40P01", "BUSY", /Another change/],
  ["08006", "UNAVAILABLE", /does not respond/],
  ["53300", "UNAVAILABLE", /does not respond/],
  ["57P01", "UNAVAILABLE", /does not respond/],
  ["25006", "UNAVAILABLE", /does not respond/],
] as const)("%s may go away, and a client of the graph is told %s", (code, told, message) => {
  const error = ofDriver(code);
  expect(isNotNow(error)).toBe(true);
  expect([isOutOfTime(error), isUnreachable(error)]).toEqual([told === "TOO_COMPLEX", told === "UNAVAILABLE"]);
  expect(timeLimitRefusal(error)).toMatchObject({ code: told, message: expect.stringMatching(message) });
});

test.each(["23505", "42P01", "22401", "42P08", "22P53", "25001", "XX000", undefined])("%s stays", (code) => {
  const error = ofDriver(code);
  expect([isNotNow, isOutOfTime, isUnreachable].map((is) => is(error))).toEqual([false, false, false]);
  expect(timeLimitRefusal(error)).toBeUndefined();
});
