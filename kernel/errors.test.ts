import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { isNotNow, isOutOfTime, isUnreachable, sqlStateOf, timeLimitRefusal } from "./database-time.js";
import { ERROR_CODES, hasCode, isErrorCode, MetrlyError, messageOf, noSuch } from "./errors.js";
import { readingAt, UpgradeRequired } from "./upgrade-required.js";

test("docs/errors.md lists exactly the codes there are, with their status, their meaning and what to do", async () => {
  const documented = await readFile(new URL("../docs/errors.md", import.meta.url), "utf8");
  const rows = documented.split("\n").filter((line) => line.startsWith("| `"));
  expect(rows).toEqual(
    Object.entries(ERROR_CODES).map(
      ([code, { status, meaning, action }]) => `| \`${code}\` | ${status} | ${meaning} | ${action} |`,
    ),
  );
});

test("every code says what to do, and of just those that may succeed later that and when to try again", () => {
  for (const [code, { status, action }] of Object.entries(ERROR_CODES)) {
    expect(action, code).toMatch(/^[A-Z].{9,}[^.]$/);
    const isOfThisMoment = [408, 429, 500, 503].includes(status);
    // An event that was just sent may not be there yet.
    if (code !== "NOT_FOUND") expect([code, / again/.test(action)]).toEqual([code, isOfThisMoment]);
  }
});

test("an error knows the status of its code", () => {
  const error = new MetrlyError("QUOTA_EXCEEDED", "no more");
  expect(error).toMatchObject({ name: "MetrlyError", code: "QUOTA_EXCEEDED", message: "no more", status: 429 });
  expect(error.extensions).toEqual({});
  expect(new MetrlyError("INVALID", "wrong", { errors: [] }).extensions).toEqual({ errors: [] });
});

test("codes are those of the list, and no names that every object has", () => {
  expect(["INVALID", "BUSY"].every(isErrorCode)).toBe(true);
  expect(["toString", "invalid", "", 400, undefined, ["BUSY"]].some(isErrorCode)).toBe(false);
});

test("what does not exist is named as the client named it, quoted and cut", () => {
  expect(noSuch("plan", 'a"\nb')).toMatchObject({ code: "NOT_FOUND", message: String.raw`There is no plan "a\"\nb"` });
  expect(noSuch("plan", "x".repeat(65)).message).toBe(`There is no plan "${"x".repeat(64)}"`);
});

test("whatever was thrown has a message, and a code only as an error", () => {
  expect([new Error("a"), "b", undefined].map(messageOf)).toEqual(["a", "b", "undefined"]);
  const refused = Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
  expect(hasCode(refused, "EPIPE", "ECONNREFUSED")).toBe(true);
  expect(hasCode(refused, "EPIPE")).toBe(false);
  expect(hasCode(refused)).toBe(false);
  expect(hasCode({ code: "EPIPE" }, "EPIPE")).toBe(false);
  expect(hasCode(undefined, "EPIPE")).toBe(false);
  expect(hasCode(new Error("EPIPE"), "EPIPE")).toBe(false);
});

const ofDriver = (code: unknown): Error => Object.assign(new Error("refused"), { code });
/** As a generated client throws it: with a code of its own. */
const ofClient = (originalCode: unknown): Error =>
  Object.assign(new Error("refused"), { code: "P2010", meta: { driverAdapterError: { cause: { originalCode } } } });

test("the SQLSTATE of an error is the database's, from the driver or a generated client", () => {
  const ofCommit = Object.assign(new Error("ended", { cause: { originalCode: "25P03" } }), {
    name: "DriverAdapterError",
  });
  expect([ofDriver("40001"), ofClient("40001"), ofCommit].map(sqlStateOf)).toEqual(["40001", "40001", "25P03"]);
  expect(sqlStateOf(Object.assign(new Error("refused"), { code: "23505", meta: {} }))).toBe("23505");
  expect(sqlStateOf(Object.assign(new Error("raised"), { code: "P0001", meta: { driverAdapterError: {} } }))).toBe(
    "P0001",
  );
  for (const none of [{ code: "40001" }, "40001", null, undefined, new Error("40001")])
    expect(sqlStateOf(none)).toBeUndefined();
  for (const code of [40_001, "4000", "400011", "ab001", "ECONNREFUSED", "P2010", "P1017"])
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

const unknown = { contract: "metrly.usage.received.v1", set: "control record", member: "merge" };

test("what newer code wrote says what to do, and where it stands when it was read from the log", () => {
  const error = new UpgradeRequired(unknown);
  expect(error).toMatchObject({ name: "UpgradeRequired", code: "UNAVAILABLE", status: 503, offset: undefined });
  expect(error.message).toBe(
    'upgrade this process: metrly.usage.received.v1 has the control record "merge", which this version does not know',
  );
  expect(readingAt(7, () => "read")).toBe("read");
  const read = () =>
    readingAt(7, () => {
      throw error;
    });
  expect(read).toThrow(expect.objectContaining({ name: "UpgradeRequired", unknown, offset: 7 }));
});

test("another error stays as it is", () => {
  const broken = new Error("broken");
  const read = () =>
    readingAt(7, () => {
      throw broken;
    });
  expect(read).toThrow(broken);
});
