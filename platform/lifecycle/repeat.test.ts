import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { installManualTime, type ManualTime } from "./manual-time.testing.js";
import { backoffMs, replaceRandomness } from "./random.js";
import { type Repeat, type RepeatOptions, repeat } from "./repeat.js";

const EVERY_MS = 100;
const BACKOFF = { firstMs: 10, longestMs: 1_000 };

let time: ManualTime;
let restore: (() => void)[];

beforeEach(() => {
  const [installed, restoreTime] = installManualTime();
  time = installed;
  const random = { fraction: () => 0.5, uuid: () => "", orderedUuid: () => "" };
  restore = [restoreTime, replaceRandomness(random)];
});
afterEach(() => {
  for (const undo of restore) undo();
});

describe("a repeated turn", () => {
  test("comes at once, then a pause after each end", async () => {
    const turns = controlledTurns({});
    await time.advance(0);
    expect(turns.started()).toBe(1);
    await time.advance(10 * EVERY_MS);
    expect(turns.started()).toBe(1);
    await turns.succeed();
    await time.advance(EVERY_MS - 1);
    expect(turns.started()).toBe(1);
    await time.advance(1);
    expect(turns.started()).toBe(2);
  });

  test("comes once more for all kicks during a turn", async () => {
    const turns = controlledTurns({});
    await time.advance(0);
    for (let n = 0; n < 3; n += 1) turns.loop.kick();
    await turns.succeed();
    expect(turns.started()).toBe(2);
    await turns.succeed();
    expect(turns.started()).toBe(2);
  });

  test("may kick itself in its first statement", async () => {
    let turns = 0;
    const loop = repeat({
      everyMs: EVERY_MS,
      onError: rethrow,
      async run() {
        turns += 1;
        if (turns < 3) loop.kick();
      },
    });
    await time.advance(0);
    expect(turns).toBe(3);
    await loop.stop();
  });

  test("waits longer after each failure in a row, and no kick shortens that", async () => {
    const turns = controlledTurns({ backoff: BACKOFF });
    await time.advance(0);
    for (let failures = 1; failures <= 10; failures += 1) {
      await turns.fail();
      turns.loop.kick();
      await time.advance(backoffMs(BACKOFF, failures) - 0.5);
      expect(turns.started()).toBe(failures);
      await time.advance(0.5);
      expect(turns.started()).toBe(failures + 1);
    }
    await turns.succeed();
    await time.advance(EVERY_MS);
    expect(turns.started()).toBe(12);
    expect(turns.errors()).toBe(10);
  });

  test("hears of a stop by its signal, and the stop waits for it", async () => {
    let signal: AbortSignal | undefined;
    const turns = controlledTurns({}, (stopping) => {
      signal = stopping;
    });
    await time.advance(0);
    const stopped = settled(turns.loop.stop());
    await time.advance(EVERY_MS);
    expect(signal?.aborted).toBe(true);
    expect(stopped()).toBe(false);
    await turns.succeed();
    expect(stopped()).toBe(true);
  });

  test("that was kicked does not start after a stop in the same moment", async () => {
    const turns = controlledTurns({ first: "later" });
    turns.loop.kick();
    await turns.loop.stop();
    turns.loop.kick();
    await time.advance(10 * EVERY_MS);
    expect(turns.started()).toBe(0);
    expect(time.pending()).toBe(0);
  });

  test("starts when a small model says so, whatever comes in between", async () => {
    const commands = fc.array(
      fc.oneof(
        { weight: 3, arbitrary: fc.constant({ kind: "kick" as const }) },
        { weight: 3, arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.nat(2 * EVERY_MS) }) },
        { weight: 3, arbitrary: fc.constant({ kind: "succeed" as const }) },
        { weight: 3, arbitrary: fc.constant({ kind: "fail" as const }) },
        { weight: 1, arbitrary: fc.constant({ kind: "stop" as const }) },
      ),
      { maxLength: 60 },
    );
    const options = fc.record({
      first: fc.constantFrom("now" as const, "later" as const),
      backoff: fc.constantFrom(undefined, BACKOFF),
    });
    await fc.assert(
      fc.asyncProperty(options, commands, async ({ first, backoff }, sequence) => {
        const turns = controlledTurns({ first, ...(backoff !== undefined && { backoff }) });
        const model = createModel(first, backoff !== undefined);
        await time.advance(0);
        for (const command of sequence) {
          switch (command.kind) {
            case "kick":
              turns.loop.kick();
              model.kick();
              await time.advance(0);
              break;
            case "advance":
              await time.advance(command.ms);
              model.advance(command.ms);
              break;
            case "succeed":
              await turns.succeed();
              model.end(false);
              break;
            case "fail":
              await turns.fail();
              model.end(true);
              break;
            case "stop":
              turns.stop();
              model.stop();
              await time.advance(0);
          }
          expect({ started: turns.started(), errors: turns.errors(), isStopped: turns.isStopped() }).toEqual(
            model.state(),
          );
          expect(turns.atOnce()).toBeLessThanOrEqual(1);
        }
        turns.stop();
        await turns.succeed();
        expect(turns.isStopped()).toBe(true);
        expect(time.pending()).toBe(0);
      }),
    );
  });
});

/** What `repeat` does, said over again as a table of states. Jitter is always three quarters. */
function createModel(first: "now" | "later", backsOff: boolean) {
  let [started, errors, failures, now] = [0, 0, 0, 0];
  let state: "running" | "pausing" = "pausing";
  let isKicked = false;
  let isStopped = false;
  let due = first === "now" ? 0 : EVERY_MS;

  function start(): void {
    started += 1;
    isKicked = false;
    state = "running";
  }
  function advance(ms: number): void {
    now += ms;
    if (state === "pausing" && !isStopped && due <= now) start();
  }
  advance(0);
  return {
    advance,
    kick() {
      if (state === "running") isKicked = true;
      else if (!isStopped && !(backsOff && failures > 0)) start();
    },
    end(isFailure: boolean) {
      if (state !== "running") return;
      state = "pausing";
      failures = isFailure ? failures + 1 : 0;
      if (isFailure) errors += 1;
      if (backsOff && isFailure) due = now + 0.75 * Math.min(1_000, 10 * 2 ** (failures - 1));
      else due = isKicked ? now : now + EVERY_MS;
      advance(0);
    },
    stop() {
      isStopped = true;
    },
    state: () => ({ started, errors, isStopped: isStopped && state === "pausing" }),
  };
}

/** A loop whose turns end when the test says so. */
function controlledTurns(options: Partial<RepeatOptions>, onTurn: (stopping: AbortSignal) => void = () => {}) {
  let [started, errors, atOnce, most] = [0, 0, 0, 0];
  let isStopped: () => boolean = () => false;
  let end: ((failure?: Error) => void) | undefined;
  const loop: Repeat = repeat({
    everyMs: EVERY_MS,
    onError: () => {
      errors += 1;
    },
    run(stopping) {
      started += 1;
      atOnce += 1;
      most = Math.max(most, atOnce);
      onTurn(stopping);
      return new Promise<void>((resolve, reject) => {
        end = (failure) => {
          atOnce -= 1;
          end = undefined;
          if (failure === undefined) resolve();
          else reject(failure);
        };
      });
    },
    ...options,
  });
  return {
    loop,
    started: () => started,
    errors: () => errors,
    atOnce: () => most,
    isStopped: () => isStopped(),
    stop() {
      isStopped = settled(loop.stop());
    },
    async succeed() {
      end?.();
      await time.advance(0);
    },
    async fail() {
      end?.(new Error("a failed turn"));
      await time.advance(0);
    },
  };
}

/** Whether the promise has settled. */
function settled(promise: Promise<unknown>): () => boolean {
  let isSettled = false;
  void promise.then(() => {
    isSettled = true;
  });
  return () => isSettled;
}

function rethrow(error: unknown): never {
  throw error;
}
