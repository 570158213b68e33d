import { expect, test } from "vitest";
import { createFairTurns } from "./fair-turns.js";

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("turns go round the callers, one each, and what exceeds a caller's line is refused", async () => {
  const turns = createFairTurns({ atOnce: 2, perCaller: 1, waitingPerCaller: 3, waiting: 100 });
  const started: string[] = [];
  const ask = (tenantId: string, name = tenantId) => turns.take(tenantId)?.then(() => started.push(name));
  const asked = ["a1", "a2", "a3", "a4", "a5"].map((name) => ask("a", name));
  expect(asked.map((turn) => turn !== undefined)).toEqual([true, true, true, true, false]);
  ask("b");
  ask("c");
  await settled();
  expect(started).toEqual(["a1", "b"]);
  turns.end("a");
  await settled();
  expect(started).toEqual(["a1", "b", "a2"]);
  turns.end("b");
  turns.end("a");
  await settled();
  expect(started).toEqual(["a1", "b", "a2", "c", "a3"]);
});

test("all together wait in a bounded line", () => {
  const turns = createFairTurns({ atOnce: 1, perCaller: 1, waitingPerCaller: 9, waiting: 2 });
  const taken = ["a", "b", "c", "d"].map((tenantId) => turns.take(tenantId) !== undefined);
  expect(taken).toEqual([true, true, true, false]);
});

test("a caller may have several turns at once", async () => {
  const turns = createFairTurns({ atOnce: 3, perCaller: 2, waitingPerCaller: 9, waiting: 9 });
  const started: string[] = [];
  for (const caller of ["a", "a", "a", "a", "b", "b"]) void turns.take(caller)?.then(() => started.push(caller));
  await settled();
  expect(started).toEqual(["a", "a", "b"]);
  turns.end("a");
  await settled();
  expect(started.slice(3)).toEqual(["a"]);
  turns.end("a");
  await settled();
  expect(started.slice(4)).toEqual(["b"]);
});
