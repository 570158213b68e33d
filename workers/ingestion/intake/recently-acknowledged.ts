import { randomFillSync } from "node:crypto";
import { DIGEST_BYTES, type KeyedItem } from "#schema/columns/received.js";

export type RecentlyAcknowledged = ReturnType<typeof createRecentlyAcknowledged>;

type Identified = Pick<KeyedItem, "key" | "fingerprint">;

/**
 * Detects quick retries without logging them again. Best effort and per process: the recorder decides. Two generations bound
 * it: when the young one is full, the old one is dropped.
 */
export function createRecentlyAcknowledged(maxEntries = 20_000) {
  let young: Generation | undefined;
  let old: Generation | undefined;
  return {
    /** Whether this very event is known to be in the log. False is inconclusive. */
    has: (item: Identified): boolean => young?.has(item) === true || old?.has(item) === true,
    /** Only after the log's acknowledgement: an event added earlier would be lost if its append fails. */
    add(items: readonly Identified[]): void {
      for (const item of items) {
        young ??= createGeneration(maxEntries);
        young.add(item);
        if (young.size() < maxEntries) continue;
        const oldest: Generation | undefined = old;
        oldest?.clear();
        [young, old] = [oldest, young];
      }
    },
  };
}

type Generation = ReturnType<typeof createGeneration>;

/** Of a key and of a fingerprint. */
const WORDS = DIGEST_BYTES / 4;
const ENTRY_WORDS = 2 * WORDS;

/**
 * Whole keys and fingerprints in an open hash table of numbers: texts that live as long as a generation would be copied by the garbage
 * collector. An entry whose key is zeros is none: nobody finds an event with such a key.
 */
function createGeneration(maxEntries: number) {
  const bits = Math.ceil(Math.log2(1.5 * maxEntries));
  const slots = 2 ** bits;
  const table = new Int32Array(slots * ENTRY_WORDS);
  // Senders choose keys. Where one goes depends on these, too, so that they cannot choose many of one place.
  const [first, second, a, b] = secretWords();
  let size = 0;

  const slotOf = (key: string): number =>
    (Math.imul(word(key, 0) ^ first, a | 1) + Math.imul(word(key, 1) ^ second, b | 1)) >>> (32 - bits);

  /** Where the event is, or the place for it. */
  function find({ key, fingerprint }: Identified): number {
    let slot = slotOf(key);
    while (isTaken(slot) && !holds(slot, key, fingerprint)) slot = (slot + 1) & (slots - 1);
    return slot;
  }

  function isTaken(slot: number): boolean {
    for (let at = slot * ENTRY_WORDS; at < slot * ENTRY_WORDS + WORDS; at += 1) if (table[at] !== 0) return true;
    return false;
  }

  function holds(slot: number, key: string, fingerprint: string): boolean {
    const at = slot * ENTRY_WORDS;
    for (let index = 0; index < WORDS; index += 1)
      if (table[at + index] !== word(key, index) || table[at + WORDS + index] !== word(fingerprint, index))
        return false;
    return true;
  }

  return {
    size: () => size,
    has: (item: Identified): boolean => isTaken(find(item)),
    add(item: Identified): void {
      const slot = find(item);
      if (isTaken(slot)) return;
      const at = slot * ENTRY_WORDS;
      for (let index = 0; index < WORDS; index += 1) {
        table[at + index] = word(item.key, index);
        table[at + WORDS + index] = word(item.fingerprint, index);
      }
      size += 1;
    },
    clear(): void {
      table.fill(0);
      size = 0;
    },
  };
}

function secretWords(): readonly [number, number, number, number] {
  const [a = 0, b = 0, c = 0, d = 0] = randomFillSync(new Int32Array(4));
  return [a, b, c, d];
}

/** Four bytes of a binary string. */
const word = (digest: string, index: number): number =>
  digest.charCodeAt(4 * index) |
  (digest.charCodeAt(4 * index + 1) << 8) |
  (digest.charCodeAt(4 * index + 2) << 16) |
  (digest.charCodeAt(4 * index + 3) << 24);
