import { readFile } from "node:fs/promises";
import type { Database, Sessions } from "#platform/database/database.js";

/** The outcome of a transaction in which the process was stopped; sent to its parent. */
export interface Thawed {
  readonly committed: boolean;
}

/**
 * A database whose process stops itself, like SIGSTOP from outside, in the first transaction that `when` allows: after its work,
 * before COMMIT. Under SIGCONT it goes on, and tells its parent whether the transaction was committed.
 */
export function freezing(database: Database, when: () => boolean = () => true): Database {
  let isDone = false;
  const sessionsOf = (sessions: Sessions): Sessions => ({
    ...sessions,
    async transaction(work) {
      let froze = false;
      const run = sessions.transaction(async (tx) => {
        const result = await work(tx);
        if (!isDone && when()) {
          isDone = true;
          froze = true;
          process.kill(process.pid, "SIGSTOP");
        }
        return result;
      });
      await run.then(
        () => froze && process.send?.({ committed: true } satisfies Thawed),
        () => froze && process.send?.({ committed: false } satisfies Thawed),
      );
      return run;
    },
  });
  return { ...database, ...sessionsOf(database), under: (profile) => sessionsOf(database.under(profile)) };
}

/** Whether the process of this id is stopped. */
export async function isFrozen(pid: number | undefined): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")")).startsWith(") T");
}
