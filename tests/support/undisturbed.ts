/** Each has twice as long as the one before: the last has some minutes. */
const ATTEMPTS = 8;

/**
 * What the first attempt returns or throws that takes less time than it has: `firstMs`, and later more. For what lasts only for a
 * moment, and may be over when the machine stops in between. The attempt is told its time, ms, and its number, for names of its own.
 */
export async function undisturbed<T>(
  firstMs: number,
  attempt: (withinMs: number, number: number) => Promise<T>,
): Promise<T> {
  let withinMs = firstMs;
  for (let number = 1; number <= ATTEMPTS; number += 1, withinMs *= 2) {
    const began = performance.now();
    const [outcome] = await Promise.allSettled([attempt(withinMs, number)]);
    if (performance.now() - began >= withinMs) continue;
    if (outcome.status === "rejected") throw outcome.reason;
    return outcome.value;
  }
  throw new Error(`the last of ${ATTEMPTS} attempts took more than ${withinMs / 2} ms`);
}
