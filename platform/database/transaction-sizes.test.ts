import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { machineTime, replaceTime } from "#platform/lifecycle/time.js";
import { createTransactionSizes, TransactionTooLong } from "./transaction-sizes.js";

let nowMs = 0;
const restoreTime = replaceTime({ ...machineTime, monotonicMs: () => nowMs });
afterAll(restoreTime);

const MAX = 5_000;
const TRANSACTION_MS = 10_000;
const limits = { statementMs: 0, lockMs: 0, transactionMs: TRANSACTION_MS, idleInTransactionMs: 0, idleMs: 0 };

/** Applies so many units, each taking as long as `msOf` says; how many transactions that took, and how many failed. */
async function applyAll(
  units: number,
  msOf: (unit: number) => number,
  sizes = createTransactionSizes({ limits }, MAX),
) {
  let [done, transactions, failed] = [0, 0, 0];
  while (done < units) {
    const count = Math.min(sizes.of(0), units - done);
    const ms = Array.from({ length: count }, (_, index) => msOf(done + index)).reduce((sum, one) => sum + one, 0);
    const result = await sizes.attempt(0, count, async () => {
      nowMs += Math.min(ms, TRANSACTION_MS);
      if (ms > TRANSACTION_MS) throw Object.assign(new Error("terminating"), { code: "25P04" });
    });
    transactions += 1;
    if (result === undefined) failed += 1;
    else done += count;
  }
  return { transactions, failed };
}

test("what does not fit is split until it fits, however long each unit takes", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 8_000 }),
      fc.array(fc.nat(TRANSACTION_MS), { minLength: 1 }),
      async (units, ms) => {
        await applyAll(units, (unit) => ms[unit % ms.length] ?? 0);
      },
    ),
    { numRuns: 30 },
  );
});

test("when all units are slow, few transactions fail; when they are fast again, sizes grow back", async () => {
  const sizes = createTransactionSizes({ limits }, MAX);
  const slow = await applyAll(20_000, () => 10, sizes);
  expect(slow.failed).toBeLessThanOrEqual(4);
  expect(sizes.of(0)).toBeLessThan(MAX);
  expect(sizes.of(1)).toBe(MAX);
  await applyAll(100_000, () => 0.01, sizes);
  expect(sizes.of(0)).toBe(MAX);
});

test("a single unit that does not fit is an error that says so; other errors stay what they are", async () => {
  await expect(applyAll(10, (unit) => (unit === 7 ? TRANSACTION_MS + 1 : 1))).rejects.toThrow(TransactionTooLong);
  const other = new Error("a bug");
  const sizes = createTransactionSizes({ limits }, MAX);
  await expect(sizes.attempt(0, 10, () => Promise.reject(other))).rejects.toBe(other);
  expect(sizes.of(0)).toBe(MAX);
});
