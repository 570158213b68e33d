import { isOutOfTime } from "#kernel/database-time.js";
import { monotonicMs } from "#platform/lifecycle/time.js";
import type { Sessions } from "./database.js";

/**
 * How much of a partition one transaction takes. What does not fit into the time of a transaction is tried again in halves, so
 * that a batch that is too much for a slow moment, or that some entries make slow, does not fail for ever.
 */
export interface TransactionSizes {
  /** The most units that the partition's next transaction may have. */
  of(partition: number): number;
  /**
   * Runs a transaction of so many units. Undefined: it took too long and was rolled back; try again with at most `of` units.
   * Throws `TransactionTooLong` when a single unit takes too long, and everything else that `run` throws.
   */
  attempt<T>(partition: number, units: number, run: () => Promise<T>): Promise<{ readonly done: T } | undefined>;
}

/** The smallest possible transaction exceeds its time: its partition cannot go on until the cause is removed. */
export class TransactionTooLong extends Error {
  override readonly name = "TransactionTooLong";
}

/** A transaction that took less of its time than this may be followed by one twice as large. */
const ROOMY = 0.25;

/** `max`: of a transaction's units, as long as none took too long. */
export function createTransactionSizes({ limits }: Pick<Sessions, "limits">, max: number): TransactionSizes {
  const sizes = new Map<number, number>();
  const of = (partition: number): number => sizes.get(partition) ?? max;
  return {
    of,
    async attempt(partition, units, run) {
      const startedAt = monotonicMs();
      try {
        const done = await run();
        const isRoomy = monotonicMs() - startedAt < limits.transactionMs * ROOMY;
        if (isRoomy && units >= of(partition)) sizes.set(partition, Math.min(max, of(partition) * 2));
        return { done };
      } catch (error) {
        if (!isOutOfTime(error)) throw error;
        if (units <= 1)
          throw new TransactionTooLong(
            `partition ${partition}: its next entry alone takes longer than a transaction may (${limits.transactionMs} ms); ` +
              "the partition waits, and the entry is tried again. See the database's log for the statement",
            { cause: error },
          );
        sizes.set(partition, Math.max(1, Math.floor(units / 2)));
        return undefined;
      }
    },
  };
}
