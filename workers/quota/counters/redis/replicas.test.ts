import { expect, test } from "vitest";
import { replaceTime } from "#platform/lifecycle/time.js";
import { createStoreClock } from "./clock.js";
import { createReplicas } from "./replicas.js";
import type { RedisServer } from "./server.js";

test("a replica that is not used for ten minutes is dropped, others stay", async () => {
  let now = 0;
  let timers: (() => void)[] = [];
  const restore = replaceTime({
    now: () => now,
    monotonicMs: () => now,
    after(_, run) {
      timers.push(run);
      return { cancel: () => undefined };
    },
    nextTurn: (run) => void setImmediate(run),
    timeoutSignal: (ms) => AbortSignal.timeout(ms),
  });
  const tick = () => {
    const due = timers;
    timers = [];
    for (const run of due) run();
  };
  try {
    /** What each call expected to find. */
    const expected: string[] = [];
    const asked: unknown[] = [];
    const incarnation = { name: "life", since: 0, clock: createStoreClock(0, 0) };
    const server = {
      known: () => incarnation,
      verified: async () => incarnation,
      mark: () => ({ keys: [], args: () => [], confirm: () => undefined }),
      evaluate: async (_: unknown, [key]: readonly unknown[], argsOf: () => readonly string[]) => {
        asked.push(key);
        const args = argsOf();
        const [[version]] = JSON.parse(args[5] ?? "") as [[string]];
        expected.push(version);
        return [now, version === "" ? ["missing", args[4]] : 1];
      },
    } as unknown as RedisServer;
    const replicas = createReplicas({ server, keysOf: (id) => [id, id, id], onBounded: () => undefined });
    const ask = (tenantId: string) => replicas.run(tenantId, { at: undefined, work: 1, run: () => "done" });
    await ask("idle");
    await ask("used");
    for (let n = 0; n < 11; n += 1) {
      now += 60_000;
      await ask("used");
      tick();
      tick();
    }
    // Once more for upkeep, before it is dropped.
    expect(asked.filter((key) => key === "idle")).toHaveLength(2);
    expected.length = 0;
    await ask("used");
    await ask("idle");
    expect(expected.map((version) => version !== "")).toEqual([true, false]);
    replicas.stop(new Error("over"));
  } finally {
    restore();
  }
});
