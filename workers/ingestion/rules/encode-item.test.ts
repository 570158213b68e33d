import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeItem } from "./encode-item.js";

test("an item is encoded as JSON prints it, whatever its texts hold", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string(),
    fc.constantFrom('"', "\\", "\u2028", "\u007f", "\n", "é"),
  );
  const item = fc.record({
    tenantId: text,
    source: text,
    id: text,
    type: text,
    time: fc.integer({ min: -8.64e15, max: 8.64e15 }),
    receivedAt: fc.integer({ min: 0, max: 8.64e15 }),
    data: fc.json(),
    fingerprint: fc.stringMatching(/^[A-Za-z0-9_-]{22}$/),
  });
  fc.assert(
    fc.property(item, (one) => {
      expect(encodeItem(one)).toBe(JSON.stringify(one));
    }),
    { numRuns: 500 },
  );
});
