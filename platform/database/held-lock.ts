import type { Sessions } from "./database.js";
import { keepAlive } from "./transaction.js";

/** An advisory lock that is held outside of a transaction. */
export interface HeldLock {
  /** Throws when the session that held the lock is gone: another process may hold it now. */
  assertHeld(): void;
  /** Never rejects. */
  release(): Promise<void>;
}

/**
 * Takes an advisory lock for as long as this process sends a heartbeat: PostgreSQL ends the session of one that is frozen or
 * out of reach, and with it the lock. Undefined: another process holds it.
 */
export async function holdLock({ pool, limits }: Sessions, key: number): Promise<HeldLock | undefined> {
  const session = await pool.connect();
  let lost: Error | undefined;
  const onLost = (error: Error): void => {
    lost = error;
  };
  session.on("error", onLost);
  function end(): void {
    session.release(lost);
    session.removeListener("error", onLost);
  }
  try {
    const { rows } = await session.query<{ held: boolean }>(
      "SELECT pg_try_advisory_lock($1) AS held, set_config('idle_session_timeout', $2, false)",
      [key, String(limits.idleInTransactionMs)],
    );
    if (rows[0]?.held !== true) {
      await session.query("RESET idle_session_timeout");
      end();
      return undefined;
    }
  } catch (error) {
    onLost(error instanceof Error ? error : new Error(String(error)));
    end();
    throw error;
  }
  const stopBeating = keepAlive(session, limits);
  return {
    assertHeld() {
      if (lost !== undefined) throw new Error("the session with the lock was ended", { cause: lost });
    },
    async release() {
      stopBeating();
      await session
        .query("SELECT pg_advisory_unlock($1), set_config('idle_session_timeout', $2, false)", [
          key,
          String(limits.idleMs),
        ])
        .catch(onLost);
      end();
    },
  };
}
