import { type Deviation, isFault } from "./scheduler.js";

/**
 * A smaller set of deviations that still fails (Zeller's ddmin): halves, then quarters and so on are left out as long as the run
 * still fails without them. `fails` is called at most `tries` times.
 */
export async function minimise(
  all: readonly Deviation[],
  fails: (kept: readonly Deviation[]) => Promise<boolean>,
  tries: number,
): Promise<readonly Deviation[]> {
  // What fails is seldom a matter of order alone: often the faults are enough.
  const faults = all.filter(({ key }) => isFault(key));
  let kept = faults.length < all.length && (await fails(faults)) ? faults : all;
  let parts = 2;
  for (let tried = 1; tried < tries && kept.length > 0; ) {
    const size = Math.ceil(kept.length / parts);
    let smaller: readonly Deviation[] | undefined;
    for (let from = 0; from < kept.length && tried < tries; from += size) {
      const rest = [...kept.slice(0, from), ...kept.slice(from + size)];
      tried += 1;
      if (!(await fails(rest))) continue;
      smaller = rest;
      break;
    }
    if (smaller !== undefined) {
      kept = smaller;
      parts = Math.max(2, parts - 1);
    } else if (size === 1) break;
    else parts = Math.min(kept.length, parts * 2);
  }
  return kept;
}
