import type { ReceivedItem } from "#schema/events/usage-received.v1.js";

export interface RecentlyAcknowledged {
  /** Whether this very event is known to be in the log. False says nothing. */
  has(event: Acknowledgement): boolean;
  /** Only after the log's acknowledgement: an event remembered before it would be lost when its append fails. */
  add(events: readonly Acknowledgement[]): void;
}

/** What is remembered of an event. */
export interface Acknowledgement {
  /** As `acknowledgementKey` makes it: once per event, because it is looked up several times. */
  readonly key: string;
  readonly fingerprint: string;
}

/**
 * Answers the quick retry of an event without logging it again. Best effort and per process: the recorder has the final
 * word. Two generations bound it: when the young one is full, the old one is forgotten.
 */
export function createRecentlyAcknowledged(maxEntries = 20_000, maxChars = 2_000_000): RecentlyAcknowledged {
  let young = new Map<string, string>();
  let old = new Map<string, string>();
  let chars = 0;
  return {
    has({ key, fingerprint }) {
      return (young.get(key) ?? old.get(key)) === fingerprint;
    },
    add(events) {
      for (const { key, fingerprint } of events) {
        young.set(key, fingerprint);
        chars += key.length;
        if (young.size < maxEntries && chars < maxChars) continue;
        old = young;
        young = new Map();
        chars = 0;
      }
    },
  };
}

/** Unambiguous: none of the three holds a NUL. */
export const acknowledgementKey = ({ tenantId, source, id }: ReceivedItem): string => `${tenantId}\0${source}\0${id}`;
