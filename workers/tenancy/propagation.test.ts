import { afterEach, beforeEach, expect, test } from "vitest";
import { MetrlyError } from "#kernel/errors.js";
import type { Propagation } from "#platform/graphql/propagation.js";
import { installManualTime, type ManualTime } from "#platform/lifecycle/manual-time.testing.js";
import { monotonicMs } from "#platform/lifecycle/time.js";
import { createTenancyState } from "#platform/tenancy-client/copy.js";
import { createPropagation, SETTLES_WITHIN_MS } from "./propagation.js";
import { createLeases } from "./rules/leases.js";

const logDown = new MetrlyError("LOG_UNAVAILABLE", "the event log does not answer");
let time: ManualTime;
let restore: () => void;

beforeEach(() => {
  [time, restore] = installManualTime();
});
afterEach(() => restore());

function world() {
  const state = createTenancyState({ now: () => time.now() });
  const leases = createLeases();
  const log = { isReachable: true, reads: 0, read: async () => {} };
  const { settled, publishingFailed } = createPropagation({
    tenancy: state.reads,
    kick: () => {},
    applied: {
      ...leases,
      isReachable: () => log.isReachable,
      isUncertain: () => leases.isUncertain(time.now()),
      caughtUp() {
        log.reads += 1;
        return log.read();
      },
    },
  });
  return {
    ...{ leases, log, publishingFailed },
    publish: (version: number) => state.apply({ kind: "heartbeat", id: "heartbeat", version, at: time.now() }),
    report: (instance: string, version: number) => leases.take({ role: "quota", instance, version }, time.now()),
    /** The answer and how long it took. */
    async settle(version: number, meanwhile: () => Promise<void> = async () => {}): Promise<[Propagation, number]> {
      const startedAt = monotonicMs();
      const settling = settled(version).then((state): [Propagation, number] => [state, monotonicMs() - startedAt]);
      await meanwhile();
      await time.advance(2 * SETTLES_WITHIN_MS);
      return settling;
    },
  };
}

const complete = (version: number) => ({ version, complete: true, missing: [] });
const without = (version: number, ...instances: string[]) => ({
  version,
  complete: false,
  missing: instances.map((instance) => ({ role: "quota", instance })),
});

test("a mutation is answered when everyone who serves has applied its version", async () => {
  const { settle, publish, report, log } = world();
  report("q1", 1);
  report("q2", 1);
  const [state, tookMs] = await settle(2, async () => {
    await time.advance(100);
    expect(log.reads).toBe(0);
    publish(2);
    report("q1", 2);
    await time.advance(200);
    report("q2", 3);
  });
  expect(state).toEqual(complete(2));
  expect(tookMs).toBeGreaterThanOrEqual(300);
  expect(tookMs).toBeLessThan(400);
});

test("who is missing after 2 s is named, and later mutations do not wait for it until it has caught up", async () => {
  const { settle, publish, report } = world();
  report("q1", 1);
  report("q2", 2);
  publish(2);
  expect(await settle(2)).toEqual([without(2, "q1"), SETTLES_WITHIN_MS]);

  publish(3);
  report("q2", 3);
  expect(await settle(3)).toEqual([without(3, "q1"), 0]);
  report("q1", 3);
  expect(await settle(3)).toEqual([complete(3), 0]);
  publish(4);
  expect(await settle(4)).toEqual([without(4, "q1", "q2"), SETTLES_WITHIN_MS]);
});

test("the deadline is for the whole, also while the log is slow to answer", async () => {
  const { settle, publish, report, log } = world();
  report("q1", 1);
  publish(2);
  log.read = () => new Promise((resolve) => void setImmediate(() => time.after(700, resolve, {})));
  expect(await settle(2)).toEqual([without(2, "q1"), SETTLES_WITHIN_MS]);
  log.read = () => new Promise(() => {});
  publish(3);
  expect(await settle(3)).toEqual([{ ...without(3, "q1"), reason: "LOG_UNAVAILABLE" }, SETTLES_WITHIN_MS]);
});

test("a stop of the whole process uses up no time: what came meanwhile counts", async () => {
  const { settle, publish, report } = world();
  report("q1", 1);
  const [state] = await settle(2, async () => {
    await time.advance(300);
    time.jump(60_000);
    await time.advance(0);
    publish(2);
    await time.advance(100);
    time.jump(60_000);
    await time.advance(0);
    report("q1", 2);
  });
  expect(state).toEqual(complete(2));
});

test("while the log is known to be down, mutations are answered at once", async () => {
  const { settle, publish, report, log } = world();
  report("q1", 1);
  publish(1);
  log.isReachable = false;
  expect(await settle(2)).toEqual([{ ...without(2, "q1"), reason: "LOG_UNAVAILABLE" }, 0]);
  log.isReachable = true;
  expect(await settle(2)).toEqual([{ ...without(2, "q1"), reason: "LOG_UNAVAILABLE" }, SETTLES_WITHIN_MS]);
  // Not published within 2 s: nobody waits for the same again.
  expect(await settle(3)).toEqual([{ ...without(3, "q1"), reason: "LOG_UNAVAILABLE" }, 0]);
  publish(3);
  report("q1", 3);
  expect(await settle(3)).toEqual([complete(3), 0]);
});

test("a refused publication ends the wait for it", async () => {
  const { settle, publish, publishingFailed } = world();
  publish(1);
  const [state, tookMs] = await settle(2, async () => {
    await time.advance(400);
    publishingFailed(new Error("the outbox cannot be read"), 2);
    await time.advance(400);
    publishingFailed(logDown, 2);
  });
  expect(state).toEqual({ ...complete(2), complete: false, reason: "LOG_UNAVAILABLE" });
  expect(tookMs).toBeGreaterThanOrEqual(800);
  expect(tookMs).toBeLessThan(900);
});

test("reports that cannot be read leave open who is missing", async () => {
  const { settle, publish, leases } = world();
  publish(2);
  leases.takeUnreadable(time.now());
  expect(await settle(2)).toEqual([{ ...complete(2), complete: false, reason: "UNREADABLE_REPORTS" }, 0]);
});
