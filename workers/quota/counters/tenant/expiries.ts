/** A binary heap by expiry. What is removed or replaced elsewhere stays until its time. */
export function createExpiries<T extends { readonly expiresAt: number }>() {
  const heap: T[] = [];
  const time = (index: number): number => heap[index]?.expiresAt ?? Number.POSITIVE_INFINITY;
  function swap(a: number, b: number): void {
    const [first, second] = [heap[a], heap[b]];
    if (first === undefined || second === undefined) return;
    heap[a] = second;
    heap[b] = first;
  }
  return {
    first: (): number => time(0),
    size: () => heap.length,
    push(one: T): void {
      let index = heap.push(one) - 1;
      while (index > 0) {
        const parent = (index - 1) >> 1;
        if (time(parent) <= time(index)) break;
        swap(parent, index);
        index = parent;
      }
    },
    /** Removes and returns the one with the earliest expiry, if that is not after `now`. */
    popUntil(now: number): T | undefined {
      if (time(0) > now) return undefined;
      const first = heap[0];
      const last = heap.pop();
      if (heap.length > 0 && last !== undefined) {
        heap[0] = last;
        let index = 0;
        for (;;) {
          const left = 2 * index + 1;
          const least = time(left + 1) < time(left) ? left + 1 : left;
          if (time(least) >= time(index)) break;
          swap(index, least);
          index = least;
        }
      }
      return first;
    },
  };
}
