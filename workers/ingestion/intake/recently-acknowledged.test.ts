import { expect, test } from "vitest";
import { receivedItem } from "../world.testing.js";
import { createRecentlyAcknowledged } from "./recently-acknowledged.js";

test("only the very event is known: another payload, type, source or tenant is not", () => {
  const recent = createRecentlyAcknowledged();
  recent.add([receivedItem({ id: "a", data: "1" })]);
  expect(recent.has(receivedItem({ id: "a", data: "1" }))).toBe(true);
  expect(recent.has(receivedItem({ id: "a", data: "2" }))).toBe(false);
  expect(recent.has(receivedItem({ id: "a", data: "1", type: "other" }))).toBe(false);
  expect(recent.has(receivedItem({ id: "a", data: "1", source: "other" }))).toBe(false);
  expect(recent.has(receivedItem({ id: "a", data: "1", tenantId: "globex" }))).toBe(false);
});

test("memory is bounded by count and by characters, and the newest are kept", () => {
  const byCount = createRecentlyAcknowledged(10, 1_000_000);
  for (let id = 0; id < 100; id += 1) byCount.add([receivedItem({ id: String(id) })]);
  const kept = Array.from({ length: 100 }, (_, id) => byCount.has(receivedItem({ id: String(id) })));
  expect(kept.filter(Boolean).length).toBeLessThanOrEqual(20);
  expect(kept.at(-1)).toBe(true);
  const byChars = createRecentlyAcknowledged(1_000_000, 100);
  byChars.add(Array.from({ length: 100 }, (_, id) => receivedItem({ id: String(id) })));
  expect(byChars.has(receivedItem({ id: "0" }))).toBe(false);
  expect(byChars.has(receivedItem({ id: "99" }))).toBe(true);
});
