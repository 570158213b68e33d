import { monotonicMs } from "#platform/lifecycle/time.js";

export interface Raise {
  readonly key: string;
  /** What waits for the bound now. */
  readonly together: bigint;
  readonly hardLimit: bigint;
}

/** A bound is raised by at most this part of the limit more than needed: the cost of a loss. */
const LARGEST_PART = 50n;
const FREQUENT_MS = 1_000;
const RARE_MS = 10_000;
const MOST_REMEMBERED = 20_000;

/**
 * How much more than needed bounds are raised, by how often they are: nothing at first, twice as much when the last time was
 * less than a second ago, half as much for every ten seconds since.
 */
export function createBlockSizes() {
  const last = new Map<string, { readonly block: bigint; readonly at: number }>();

  function makeRoom(now: number): void {
    if (last.size < MOST_REMEMBERED) return;
    for (const [key, { at }] of last) if (now - at > RARE_MS) last.delete(key);
    if (last.size >= MOST_REMEMBERED) last.clear();
  }

  return {
    next({ key, together, hardLimit }: Raise): bigint {
      const now = monotonicMs();
      const before = last.get(key);
      if (before === undefined) makeRoom(now);
      const block = before === undefined ? 0n : grown(before.block, now - before.at, together);
      const largest = hardLimit / LARGEST_PART;
      const bounded = block < largest ? block : largest;
      last.set(key, { block: bounded, at: now });
      return bounded;
    },
  };
}

function grown(block: bigint, elapsedMs: number, together: bigint): bigint {
  if (elapsedMs < FREQUENT_MS) return block === 0n ? together : 2n * block;
  return block >> BigInt(Math.min(64, Math.floor(elapsedMs / RARE_MS)));
}
