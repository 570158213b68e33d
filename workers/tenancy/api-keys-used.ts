import { isTimestamp } from "#kernel/duration.js";
import { isStorable } from "#kernel/storable-text.js";
import type { EventLog, LogConsumer } from "#platform/event-log/event-log.js";
import { asText, type OnMalformed, readRecords } from "#platform/event-log/read-records.js";
import { type ApiKeysUsedV1, apiKeysUsedV1 } from "#schema/events/api-keys-used.v1.js";
import { API_KEYS_USED } from "#schema/topics.js";
import type { TenancyStore } from "./store/store.js";

/** Records that a start reads again: noting a use twice has no effect, and older ones hardly matter. */
const READ_AGAIN = 100;

/** Stores the uses of API keys that processes report. */
export function followKeyUses(
  log: EventLog,
  store: Pick<TenancyStore, "noteKeyUses">,
  onError: (error: unknown) => void,
  onMalformed: OnMalformed,
): Promise<LogConsumer> {
  return log.consume({
    topic: API_KEYS_USED,
    group: "tenancy-key-uses",
    async startAt(partition) {
      const { first, next } = await log.bounds(API_KEYS_USED, partition);
      return Math.max(first, next - READ_AGAIN);
    },
    onError,
    async onBatch(batch) {
      const latest = new Map<string, number>();
      for (const { value } of readRecords(batch, asText(readStorable), onMalformed)) {
        for (const { keyId, at } of value.uses) latest.set(keyId, Math.max(at, latest.get(keyId) ?? 0));
      }
      await store.noteKeyUses([...latest].map(([keyId, at]) => ({ keyId, at })));
      return { kind: "continue" };
    },
  });
}

/** Throws for a record whose ids or times the database refuses: it would be redelivered forever. */
function readStorable(text: string): ApiKeysUsedV1 {
  const used = apiKeysUsedV1.read(text);
  if (!used.uses.every(({ keyId, at }) => isStorable(keyId) && isTimestamp(at)))
    throw new RangeError("the id of a key or the time of its use can't be stored");
  return used;
}
