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

test.each([
  ["a wrong password", ofDatabase("28P01")],
  ["a bug", new TypeError("undefined is not a function")],
  ["what is refused for good", new MetrlyError("INVALID", "no")],
])("%s ends the start at once", async (_, failure) => {
  expect(await attemptsAt(failure)).toBe(1);
});
