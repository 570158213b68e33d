import { MetrlyError } from "#kernel/errors.js";

/**
 * Runs one piece of work after the other. They would wait for each other anyway (for a lock), but each holding one of the
 * pool's connections. Throws BUSY when `maxWaiting` wait already.
 */
export function createTurns(maxWaiting: number): <T>(work: () => Promise<T>) => Promise<T> {
  let waiting = 0;
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    if (waiting >= maxWaiting) throw new MetrlyError("BUSY", "Too many changes at once; try again");
    waiting += 1;
    const turn = last
      .then(() => {
        waiting -= 1;
      })
      .then(work);
    // Whoever asked for the turn hears of its failure; the next one only needs to know that it is over.
    last = turn.then(
      () => undefined,
      () => undefined,
    );
    return turn;
  };
}
