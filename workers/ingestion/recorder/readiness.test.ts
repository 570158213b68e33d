import { afterEach, beforeEach, expect, test } from "vitest";
import { installManualTime, type ManualTime } from "#platform/lifecycle/manual-time.testing.js";
import type { Readiness } from "#platform/process/service.js";
import { createReadiness } from "./readiness.js";

let time: ManualTime;
let restore: () => void;
let answer: () => void;

beforeEach(() => {
  [time, restore] = installManualTime();
});
afterEach(() => restore());

/** Asks once; the log answers when `answer` is called. */
function ask(): Promise<Readiness> {
  const bounds = new Promise<{ first: number; next: number }>((resolve) => {
    answer = () => resolve({ first: 0, next: 0 });
  });
  const isReady = createReadiness({
    recorder: { lastProgressAt: () => time.now() },
    publisher: { stuckSince: () => undefined },
    ticks: { problem: () => undefined },
    accounting: { problem: () => undefined },
    log: { bounds: () => bounds },
    clock: { now: () => time.now() },
  });
  return isReady();
}

test("a log that is silent for 2 s does not answer", async () => {
  const asked = ask();
  await time.advance(2_000);
  answer();
  expect(await asked).toEqual({ ready: false, reasons: ["the event log does not answer"] });
});

test("a log whose answer came while this process stood still answers", async () => {
  const asked = ask();
  await time.advance(100);
  time.jump(20_000);
  await time.advance(0);
  answer();
  expect(await asked).toEqual({ ready: true, reasons: [] });
});
