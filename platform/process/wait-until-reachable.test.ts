import { pino } from "pino";
import { expect, test } from "vitest";
import { MetrlyError } from "#kernel/errors.js";
import { untilReachable } from "./wait-until-reachable.js";

const logger = pino({ level: "silent" });
const ofDatabase = (code: string) => Object.assign(new Error("refused"), { code });

async function attemptsAt(failure: Error): Promise<number> {
  let attempts = 0;
  await untilReachable("a server", logger, async () => {
    attempts += 1;
    if (attempts === 1) throw failure;
  }).catch((error: unknown) => expect(error).toBe(failure));
  return attempts;
}

test.each([
  ["nobody listens", ofDatabase("ECONNREFUSED")],
  ["the database starts", ofDatabase("57P03")],
  ["its connection broke", ofDatabase("08006")],
  ["it ended a session that stood still", ofDatabase("25P03")],
  ["it ended a statement that stood still", ofDatabase("57014")],
  ["others hold what a change needs", new MetrlyError("BUSY", "Too many concurrent changes; try again")],
  ["the log does not answer", new MetrlyError("LOG_UNAVAILABLE", "the event log does not answer")],
])("what is done at a start is done again where %s", async (_, failure) => {
  expect(await attemptsAt(failure)).toBe(2);
});

test("work that the database ends at a limit of time is told of, with what it was and how often", async () => {
  const lines: Record<string, unknown>[] = [];
  const telling = pino({}, { write: (line: string) => lines.push(JSON.parse(line)) });
  let attempts = 0;
  await untilReachable("the database of billing", telling, async () => {
    attempts += 1;
    if (attempts <= 2) throw Object.assign(new Error("migration 9_slow: canceled"), { code: "57014" });
    if (attempts === 3) throw ofDatabase("ECONNREFUSED");
  });
  const msg = "the database of billing ended the work at a limit of time; it is tried again";
  const err = { message: "migration 9_slow: canceled" };
  expect(lines).toMatchObject([
    { level: 40, msg, attempt: 1, err },
    { level: 40, msg, attempt: 2, err },
    { level: 30, msg: "waiting for the database of billing" },
  ]);
  expect(Number(lines[1]?.leftSeconds)).toBeLessThanOrEqual(90);
});

test.each([
  ["a wrong password", ofDatabase("28P01")],
  ["a bug", new TypeError("undefined is not a function")],
  ["what is refused for good", new MetrlyError("INVALID", "no")],
])("%s ends the start at once", async (_, failure) => {
  expect(await attemptsAt(failure)).toBe(1);
});
