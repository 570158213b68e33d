import { randomUUID } from "node:crypto";
import { uuidv7 } from "uuidv7";

/**
 * Randomness that decides nothing about security: ids and jitter. Production code takes it from the functions below, so
 * that a simulation can replace it by a seeded one (docs/decisions/0012). Keys, passwords and signatures use `node:crypto`.
 */
export interface Randomness {
  fraction(): number;
  uuid(): string;
  orderedUuid(): string;
}

const machineRandomness: Randomness = { fraction: () => Math.random(), uuid: () => randomUUID(), orderedUuid: uuidv7 };

let current = machineRandomness;

/** Replaces the randomness of this process until the returned function is called. For tests and simulations. */
export function replaceRandomness(replacement: Randomness): () => void {
  const before = current;
  current = replacement;
  return () => {
    current = before;
  };
}

/** Uniform in [0, 1). */
export const randomFraction = (): number => current.fraction();

/** UUID version 4. */
export const newUuid = (): string => current.uuid();

/** UUID version 7: sorts by the time it was made. */
export const newOrderedUuid = (): string => current.orderedUuid();

/** Between half of `ms` and all of it: clients that failed together do not return together. */
export const jittered = (ms: number): number => ms * (0.5 + randomFraction() / 2);

/** Growing pauses between attempts. */
export interface Backoff {
  readonly firstMs: number;
  readonly longestMs: number;
}

/** The pause after so many failures in a row, at least 1: doubled by each, bounded, jittered. */
export const backoffMs = ({ firstMs, longestMs }: Backoff, failures: number): number =>
  jittered(Math.min(longestMs, firstMs * 2 ** (failures - 1)));
