/** An event and its position in the source, from 1. */
export interface Positioned<T> {
  readonly event: T;
  readonly position: number;
}

/** Events for tests: a source that closes immediately when its reader leaves, also while it waits. */
export interface EventSource<T> {
  /** From after a position, or from now on. */
  open(filter: (event: T) => boolean, after?: number): AsyncIterableIterator<Positioned<T>>;
  publish(event: T): void;
  /** Makes every open source throw. */
  fail(error: Error): void;
  /** The number of open sources. */
  readonly openCount: number;
}

interface Reader<T> {
  readonly filter: (event: T) => boolean;
  readonly buffer: Positioned<T>[];
  failure: Error | undefined;
  wake: () => void;
}

export function eventSource<T>(): EventSource<T> {
  const readers = new Set<Reader<T>>();
  const history: Positioned<T>[] = [];
  return {
    get openCount() {
      return readers.size;
    },
    publish(event) {
      const positioned = { event, position: history.length + 1 };
      history.push(positioned);
      for (const reader of readers) {
        if (!reader.filter(event)) continue;
        reader.buffer.push(positioned);
        reader.wake();
      }
    },
    fail(error) {
      for (const reader of readers) {
        reader.failure = error;
        reader.wake();
      }
    },
    open(filter, after = history.length) {
      const buffer = history.slice(after).filter(({ event }) => filter(event));
      const reader: Reader<T> = { filter, buffer, failure: undefined, wake: () => undefined };
      readers.add(reader);
      const close = async (): Promise<IteratorResult<Positioned<T>>> => {
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
