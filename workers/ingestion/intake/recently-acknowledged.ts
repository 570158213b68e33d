import type { ReceivedItem } from "#schema/events/usage-received.v2.js";

export type RecentlyAcknowledged = ReturnType<typeof createRecentlyAcknowledged>;

/**
 * Detects quick retries without logging them again. Best effort and per process: the recorder decides. Two generations bound
 * it: when the young one is full, the old one is dropped.
 */
export function createRecentlyAcknowledged(maxEntries = 20_000, maxChars = 4_000_000) {
  let young = createGeneration();
  let old = createGeneration();
  let entries = 0;
  let chars = 0;
  return {
    /** Whether this very event is known to be in the log. False is inconclusive. */
    has: (item: ReceivedItem): boolean =>
      (young.find(item)?.get(item.id) ?? old.find(item)?.get(item.id)) === item.data,
    /** Only after the log's acknowledgement: an event added earlier would be lost if its append fails. */
    add(items: readonly ReceivedItem[]): void {
      for (const item of items) {
        young.find(item, "make").set(item.id, item.data);
        entries += 1;
        chars += item.id.length + item.data.length;
        if (entries < maxEntries && chars < maxChars) continue;
        old = young;
        young = createGeneration();
        entries = 0;
        chars = 0;
      }
    },
  };
}

/**
 * Data by id, for each tenant, source and type. One map with a composite key would build and hash a long text for every event;
 * consecutive events usually share the other three.
 */
function createGeneration() {
  const groups = new Map<string, Map<string, string>>();
  let last: { readonly item: ReceivedItem; readonly ids: Map<string, string> } | undefined;
  function find(item: ReceivedItem, absent: "make"): Map<string, string>;
  function find(item: ReceivedItem): Map<string, string> | undefined;
  function find(item: ReceivedItem, absent?: "make"): Map<string, string> | undefined {
    if (last !== undefined && isOfOneGroup(last.item, item)) return last.ids;
    // Unambiguous: none of the three contains NUL.
    const key = `${item.tenantId}\0${item.source}\0${item.type}`;
    const ids = groups.get(key) ?? (absent === "make" ? new Map<string, string>() : undefined);
    if (ids === undefined) return undefined;
    groups.set(key, ids);
    last = { item, ids };
    return ids;
  }
  return { find };
}

const isOfOneGroup = (a: ReceivedItem, b: ReceivedItem): boolean =>
  a.tenantId === b.tenantId && a.source === b.source && a.type === b.type;
