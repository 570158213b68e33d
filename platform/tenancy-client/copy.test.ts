import { expect, test } from "vitest";
import { manualClock } from "#kernel/clock.js";
import type { MeterState } from "#schema/events/tenancy-changed.v1.js";
import { createTenancyState, STALE_AFTER_MS } from "./copy.js";

const meter = (id: string, version: number, eventType = "t"): MeterState => ({
  kind: "meter",
  id,
  version,
  name: id,
  eventType,
  aggregation: "COUNT",
  valueProperty: null,
  dimensions: [],
  unit: null,
  createdInVersion: 1,
  archivedInVersion: null,
});

test("a version that is awaited resolves when it is applied, not before", async () => {
  const { apply, reads } = createTenancyState(manualClock(0));
  let reached = false;
  const waiting = reads.reached(2).then(() => {
    reached = true;
  });
  apply(meter("a", 1));
  await Promise.resolve();
  expect(reached).toBe(false);
  apply({ kind: "heartbeat", id: "heartbeat", version: 2, at: 0 });
  await waiting;
  expect(reads.version()).toBe(2);
});

test("stopping rejects pending waits", async () => {
  const { reads, close } = createTenancyState(manualClock(0));
  const waiting = reads.reached(9);
  close();
  await expect(waiting).rejects.toThrow("stopped");
});

test("an aborted wait is rejected, and leaves nothing behind", async () => {
  const { reads, apply } = createTenancyState(manualClock(0));
  const timeout = new AbortController();
  const waiting = reads.reached(9, timeout.signal);
  timeout.abort();
  await expect(waiting).rejects.toThrow("9 was not reached in time");
  await expect(reads.reached(9, timeout.signal)).rejects.toThrow("was not reached in time");
  apply(meter("a", 9));
  await expect(reads.reached(9, timeout.signal)).resolves.toBeUndefined();
});

test("a repeated or older state changes nothing", () => {
  const { apply, reads } = createTenancyState(manualClock(0));
  apply(meter("a", 5, "new"));
  apply(meter("a", 3, "old"));
  expect(reads.meter("a")?.eventType).toBe("new");
  expect(reads.metersOfType("old")).toEqual([]);
  expect(reads.metersOfType("new").map((m) => m.id)).toEqual(["a"]);
});

test("a copy without news for a minute is stale until the next record", () => {
  const clock = manualClock(0);
  const { apply, reads } = createTenancyState(clock);
  clock.advance(STALE_AFTER_MS);
  expect(reads.isStale()).toBe(false);
  clock.advance(1);
  expect(reads.isStale()).toBe(true);
  apply({ kind: "heartbeat", id: "heartbeat", version: 1, at: 0 });
  expect(reads.isStale()).toBe(false);
});
