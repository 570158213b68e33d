import { MetrlyError } from "#kernel/errors.js";

/**
 * Runs tasks one at a time. They would wait for the same lock anyway, each holding a pool connection. Throws BUSY when
 * `maxWaiting` are queued.
 */
export function createTurns(maxWaiting: number): <T>(work: () => Promise<T>) => Promise<T> {
  let waiting = 0;
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    if (waiting >= maxWaiting) throw new MetrlyError("BUSY", "Too many concurrent changes; try again");
    waiting += 1;
    const turn = last
      .then(() => {
        waiting -= 1;
      })
      .then(work);
    // The caller gets its task's failure; the next task only waits for the end.
    last = turn.then(
      () => undefined,
      () => undefined,
    );
    return turn;
  };
}
