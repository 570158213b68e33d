import { expect, test } from "vitest";
import type { ReceivedItem } from "#schema/events/usage-received.v1.js";
import { acknowledgementKey, createRecentlyAcknowledged } from "./recently-acknowledged.js";
import { receivedItem } from "./world.testing.js";

const acknowledgement = (changed: Partial<ReceivedItem> & { readonly id: string }) => {
  const item = receivedItem(changed);
  return { key: acknowledgementKey(item), fingerprint: item.fingerprint };
};

test("only the very event is known: another payload, source or tenant is not", () => {
  const recent = createRecentlyAcknowledged();
  recent.add([acknowledgement({ id: "a", data: "1" })]);
  expect(recent.has(acknowledgement({ id: "a", data: "1" }))).toBe(true);
  expect(recent.has(acknowledgement({ id: "a", data: "2" }))).toBe(false);
  expect(recent.has(acknowledgement({ id: "a", data: "1", source: "other" }))).toBe(false);
  expect(recent.has(acknowledgement({ id: "a", data: "1", tenantId: "globex" }))).toBe(false);
});

test("memory is bounded by count and by characters, and the newest are kept", () => {
  const byCount = createRecentlyAcknowledged(10, 1_000_000);
  for (let id = 0; id < 100; id += 1) byCount.add([acknowledgement({ id: String(id) })]);
  const kept = Array.from({ length: 100 }, (_, id) => byCount.has(acknowledgement({ id: String(id) })));
  expect(kept.filter(Boolean).length).toBeLessThanOrEqual(20);
  expect(kept.at(-1)).toBe(true);
  const byChars = createRecentlyAcknowledged(1_000_000, 100);
  byChars.add(Array.from({ length: 100 }, (_, id) => acknowledgement({ id: String(id) })));
  expect(byChars.has(acknowledgement({ id: "0" }))).toBe(false);
  expect(byChars.has(acknowledgement({ id: "99" }))).toBe(true);
});
