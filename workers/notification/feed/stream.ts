/** One subscription to the feed. */
export interface Follower {
  readonly tenantId: string;
  /** Notifies that there may be something new. */
  wake(): void;
  end(): void;
}

/**
 * An iterator instead of an async generator: `return()` of a generator waits for its pending wake-up, so a disconnected client
 * would be held until the next notice.
 */
export function followStream<N extends { readonly number: number }>(
  tenantId: string,
  start: number,
  read: (from: number) => Promise<readonly N[]>,
  enter: (follower: Follower) => void,
  leave: (follower: Follower) => void,
): AsyncIterableIterator<N> {
  let position = start;
  let page: readonly N[] = [];
  let ended = false;
  let isNews = true;
  let ring: () => void = () => undefined;
  let turn: Promise<unknown> = Promise.resolve();

  const follower: Follower = {
    tenantId,
    wake() {
      isNews = true;
      ring();
    },
    end() {
      ended = true;
      page = [];
      leave(follower);
      ring();
    },
  };
  enter(follower);

  async function take(): Promise<IteratorResult<N, undefined>> {
    while (!ended) {
      const [first, ...rest] = page;
      if (first !== undefined) {
        page = rest;
        position = first.number;
        return { done: false, value: first };
      }
      if (isNews) {
        // Cleared before reading: a wake-up during the read triggers another round.
        isNews = false;
        const found = await read(position);
        page = ended ? [] : found;
      } else {
        await new Promise<void>((resolve) => {
          ring = resolve;
        });
      }
    }
    return { done: true, value: undefined };
  }

  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    /** Calls are serialized, so that two of them never get the same notice. */
    next() {
      const result = turn.then(take);
      turn = result.catch(() => follower.end());
      return result;
    },
    async return() {
      follower.end();
      return { done: true, value: undefined };
    },
    async throw(error) {
      follower.end();
      throw error;
    },
  };
}
