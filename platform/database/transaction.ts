import type pg from "pg";
import { every, within } from "#platform/lifecycle/time.js";
import type { SessionLimits } from "./profiles.js";
import { asBroken } from "./session.js";

/** A transaction that its owner ends, by exactly one of these. */
export interface OpenTransaction {
  readonly tx: pg.PoolClient;
  /** Why the connection is gone, with the server's code if it said one: statements after that fail without it. */
  lost(): Error | undefined;
  commit(): Promise<void>;
  /** Never rejects: a connection that does not answer is destroyed, which ends its transaction. */
  rollback(): Promise<void>;
}

export type Begin = "BEGIN" | "BEGIN READ ONLY" | "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

const ROLLBACK_WITHIN_MS = 2_000;
/** Heartbeats in the time after which PostgreSQL ends a silent session. */
const BEATS = 5;

/**
 * Begins a transaction. Without a limit of its length a heartbeat keeps it, so that PostgreSQL still ends the transaction of a
 * process that is frozen or out of reach.
 */
export async function beginTransaction(
  pool: pg.Pool,
  limits: SessionLimits,
  begin: Begin = "BEGIN",
): Promise<OpenTransaction> {
  const tx = await pool.connect();
  let broken: Error | undefined;
  // An idle connection that breaks only emits this event; unhandled, it would crash the process.
  const onLost = (error: Error): void => {
    // The server's reason comes before the end of the connection.
    broken ??= asBroken(error);
  };
  tx.on("error", onLost);
  const stopBeating = limits.transactionMs === 0 ? keepAlive(tx, limits) : () => undefined;
  function release(): void {
    stopBeating();
    tx.release(broken);
    tx.removeListener("error", onLost);
  }
  async function rollback(): Promise<void> {
    const rolledBack = tx.query("ROLLBACK").catch((error: Error) => {
      broken = error;
      return true;
    });
    if ((await within(ROLLBACK_WITHIN_MS, rolledBack)) === undefined) broken = new Error("ROLLBACK was not answered");
    release();
  }
  try {
    await tx.query(begin);
  } catch (error) {
    await rollback();
    throw error;
  }
  return {
    tx,
    lost: () => broken,
    rollback,
    async commit() {
      try {
        await tx.query("COMMIT");
      } catch (error) {
        await rollback();
        throw error;
      }
      release();
    },
  };
}

/** Sends an empty statement at short intervals, until the returned function is called. */
export function keepAlive(session: Pick<pg.ClientBase, "query">, { idleInTransactionMs }: SessionLimits): () => void {
  let isSent = false;
  const beats = every(
    idleInTransactionMs / BEATS,
    () => {
      // Behind a long statement there is at most one.
      if (isSent) return;
      isSent = true;
      const settle = (): void => {
        isSent = false;
      };
      session.query("").then(settle, settle);
    },
    { unref: true },
  );
  return () => beats.cancel();
}
