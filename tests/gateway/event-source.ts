/** Live events for tests: a source that closes at once when its reader leaves, also while it waits. */
export interface EventSource<T> {
  open(filter: (event: T) => boolean): AsyncIterableIterator<T>;
  publish(event: T): void;
  /** Makes every open source throw. */
  fail(error: Error): void;
  /** How many are open. */
  readonly openCount: number;
}

interface Reader<T> {
  readonly filter: (event: T) => boolean;
  readonly buffer: T[];
  failure: Error | undefined;
  wake: () => void;
}

export function eventSource<T>(): EventSource<T> {
  const readers = new Set<Reader<T>>();
  return {
    get openCount() {
      return readers.size;
    },
    publish(event) {
      for (const reader of readers) {
        if (!reader.filter(event)) continue;
        reader.buffer.push(event);
        reader.wake();
      }
    },
    fail(error) {
      for (const reader of readers) {
        reader.failure = error;
        reader.wake();
      }
    },
    open(filter) {
      const reader: Reader<T> = { filter, buffer: [], failure: undefined, wake: () => undefined };
      readers.add(reader);
      const close = async (): Promise<IteratorResult<T>> => {
        readers.delete(reader);
        reader.wake();
        return { done: true, value: undefined };
      };
      return {
        async next() {
          for (;;) {
            const value = reader.buffer.shift();
            if (value !== undefined) return { done: false, value };
            if (!readers.has(reader)) return { done: true, value: undefined };
            if (reader.failure !== undefined) {
              readers.delete(reader);
              throw reader.failure;
            }
            await new Promise<void>((resolve) => {
              reader.wake = resolve;
            });
          }
        },
        return: close,
        [Symbol.asyncIterator]() {
          return this;
        },
      };
    },
  };
}
