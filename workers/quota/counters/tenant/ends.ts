import { MINUTE_MS } from "#kernel/duration.js";
import type { Amount } from "../counters.js";

export interface EndOfReservations {
  readonly at: number;
  readonly amount: Amount;
}

const SECOND_MS = 1_000;
/** More ends than this are known to the minute only. */
const MOST_ENDS = 2_000;

export type Ends = ReturnType<typeof createEnds>;

/** Amounts by the second, or minute, in which they end. */
export function createEnds() {
  let sizeMs = SECOND_MS;
  let byEnd = new Map<number, { readonly at: number; amount: Amount; count: number }>();
  let sorted: readonly EndOfReservations[] | undefined;
  let ended: ((at: number) => Amount) | undefined;
  /** The latest end, exactly, unless one that ended there was taken away. */
  let last = 0;
  let isLastExact = true;

  function put(endsAt: number, amount: Amount, count: number): void {
    const at = Math.ceil(endsAt / sizeMs) * sizeMs;
    const held = byEnd.get(at);
    ended = undefined;
    if (held !== undefined) {
      held.amount += amount;
      held.count += count;
      if (held.count > 0) return;
      byEnd.delete(at);
    } else byEnd.set(at, { at, amount, count });
    sorted = undefined;
    if (byEnd.size > MOST_ENDS && sizeMs < MINUTE_MS) coarsen();
  }

  function coarsen(): void {
    const finer = byEnd;
    sizeMs = MINUTE_MS;
    byEnd = new Map();
    for (const { at, amount, count } of finer.values()) put(at, amount, count);
  }

  return {
    isEmpty: (): boolean => byEnd.size === 0,
    /** `count`: 1, or -1 with a negative amount to take one away that was added. */
    add(endsAt: number, amount: Amount, count: 1 | -1): void {
      if (count === -1) isLastExact &&= endsAt < last;
      else if (endsAt >= last) {
        last = endsAt;
        isLastExact = true;
      }
      put(endsAt, amount, count);
    },
    /** Ascending. */
    ends(): readonly EndOfReservations[] {
      sorted ??= [...byEnd.values()].sort((a, b) => a.at - b.at);
      return sorted;
    },
    /** What has ended by a moment. Cheap to ask again, until something is added. */
    endedBy(at: number): Amount {
      ended ??= endedOf(this.ends());
      return ended(at);
    },
    /** No end is later. */
    last: (): number => last,
    isLastExact: (): boolean => isLastExact,
    setLast(at: number): void {
      last = at;
      isLastExact = true;
    },
  };
}

/** What has ended by a moment. `ends`: ascending. */
export function endedOf(ends: readonly EndOfReservations[]): (at: number) => Amount {
  let sum = 0n;
  const sums = ends.map(({ amount }) => {
    sum += amount;
    return sum;
  });
  return (by) => {
    let [low, high] = [0, ends.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((ends[middle]?.at ?? by) <= by) low = middle + 1;
      else high = middle;
    }
    return sums[low - 1] ?? 0n;
  };
}
