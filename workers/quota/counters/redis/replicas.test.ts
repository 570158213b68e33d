import { expect, test } from "vitest";
import { replaceTime } from "#platform/lifecycle/time.js";
import type { CounterCharge } from "../counters.js";
import { UNIT } from "../exact-model.testing.js";
import { createTenant } from "../tenant/tenant.js";
import { createStoreClock } from "./clock.js";
import { createReplicas } from "./replicas.js";
import type { RedisServer } from "./server.js";

/** A time that passes by the minute, with what is due. */
async function inTime(run: (time: { readonly now: () => number; passMinute(): void }) => Promise<void>): Promise<void> {
  let now = 0;
  let timers: (() => void)[] = [];
  const restore = replaceTime({
    now: () => now,
    monotonicMs: () => now,
    after(_, due) {
      timers.push(due);
      return { cancel: () => undefined };
    },
    nextTurn: (turn) => void setImmediate(turn),
    timeoutSignal: (ms) => AbortSignal.timeout(ms),
  });
  const tick = () => {
    const due = timers;
    timers = [];
    for (const one of due) one();
  };
  try {
    await run({
      now: () => now,
      passMinute() {
        now += 60_000;
        tick();
        tick();
      },
    });
  } finally {
    restore();
  }
}

/** Replicas of a store that answers each tenant's part so. */
function replicasOf(now: () => number, answer: (part: readonly unknown[], absence: string) => unknown) {
  const incarnation = { name: "life", since: 0, clock: createStoreClock(0, 0) };
  const server = {
    known: () => incarnation,
    verified: async () => incarnation,
    mark: () => ({ keys: [], args: () => [], confirm: () => undefined }),
    evaluate: async (_: unknown, __: unknown, argsOf: () => readonly string[]) => {
      const args = argsOf();
      const [part]: [readonly unknown[]] = JSON.parse(args[5] ?? "");
      return [now(), answer(part, args[4] ?? "")];
    },
  } as unknown as RedisServer;
  const replicas = createReplicas({ server, keysOf: (id) => [id, id, id], onBounded: () => undefined });
  return {
    ask: (tenantId: string) => replicas.run(tenantId, { at: undefined, work: 1, run: () => "done" }),
    stop: () => replicas.stop(new Error("over")),
  };
}

test("a replica that is not used for ten minutes is dropped, others stay", () =>
  inTime(async ({ now, passMinute }) => {
    /** What each call expected to find. */
    const expected: unknown[] = [];
    const { ask, stop } = replicasOf(now, ([version], absence) => {
      expected.push(version);
      return version === "" ? ["missing", absence] : 1;
    });
    await ask("idle");
    await ask("used");
    for (let n = 0; n < 11; n += 1) {
      await ask("used");
      passMinute();
    }
    expected.length = 0;
    await ask("used");
    await ask("idle");
    expect(expected.map((version) => version !== "")).toEqual([true, false]);
    stop();
  }));

test("before it is dropped, the store forgets the tenant's combinations", () =>
  inTime(async ({ now, passMinute }) => {
    const counter = "|MINUTE|scope|u1";
    const scope = { key: "|scope", by: ["user"], where: [], period: 0, recorded: 0 };
    const state = createTenant(
      { tenantId: "t", epoch: "e", seq: 0, hasOwnClock: false, counters: [], scopes: [scope], lost: [] },
      0,
    );
    const charge: CounterCharge = {
      ...{ counter, meter: null, scope: { id: "scope", by: ["user"], where: [] }, amount: UNIT, hardLimit: 5n * UNIT },
      ...{ window: { kind: "admission", windowMs: 60_000 } as const, laterLimits: [], bounded: false },
    };
    const asking = { kind: "consume", key: "k", content: "requests", ttlMs: 1_000 } as const;
    const dimensions = new Map([["user", "u1"]]);
    state.execute({ ...asking, dimensions, charges: [charge] }, 0, { keys: 10, combinations: 10 });
    const removed: unknown[] = [];
    const { ask, stop } = replicasOf(now, ([version, , , names]) => {
      if (version === "") return ["all", "life/e/1", state.head(), []];
      if (names !== undefined) removed.push(names);
      return 1;
    });
    await ask("t");
    for (let n = 0; n < 12; n += 1) {
      passMinute();
      await nextImmediate();
    }
    expect(removed).toEqual([[`c:${counter}`, `e:0:${counter}`]]);
    stop();
  }));

/** After what is due now, and what follows from that. */
async function nextImmediate(): Promise<void> {
  for (let n = 0; n < 5; n += 1) await new Promise<void>((resolve) => void setImmediate(resolve));
}
