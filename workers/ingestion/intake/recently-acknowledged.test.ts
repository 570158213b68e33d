import fc from "fast-check";
import { expect, test } from "vitest";
import { keyed, receivedItem } from "../world.testing.js";
import { createRecentlyAcknowledged } from "./recently-acknowledged.js";

const item = (changed: Parameters<typeof receivedItem>[0]) => keyed(receivedItem(changed));

test("only the very event is known: another payload, type, source or tenant is not", () => {
  const recent = createRecentlyAcknowledged();
  expect(recent.has(item({ id: "a", data: "1" }))).toBe(false);
  recent.add([item({ id: "a", data: "1" })]);
  expect(recent.has(item({ id: "a", data: "1" }))).toBe(true);
  expect(recent.has(item({ id: "a", data: "2" }))).toBe(false);
  expect(recent.has(item({ id: "a", data: "1", type: "other" }))).toBe(false);
  expect(recent.has(item({ id: "a", data: "1", source: "other" }))).toBe(false);
  expect(recent.has(item({ id: "a", data: "1", tenantId: "globex" }))).toBe(false);
});

test("memory is bounded by count, and the newest are kept", () => {
  const recent = createRecentlyAcknowledged(10);
  for (let id = 0; id < 100; id += 1) recent.add([item({ id: String(id) })]);
  const kept = Array.from({ length: 100 }, (_, id) => recent.has(item({ id: String(id) })));
  expect(kept.filter(Boolean).length).toBeLessThanOrEqual(20);
  expect(kept.slice(-10)).toEqual(Array(10).fill(true));
});

test("what was not added is never known, and of what was at least the last events are", () => {
  // Few different bytes, so that keys share parts, and some are all but zero.
  const digest = fc.array(fc.constantFrom("\0", "\x01", "\xff"), { minLength: 16, maxLength: 16 });
  const arbitrary = fc.tuple(digest, digest).map(([key, fingerprint]) => {
    return { key: `\x01${key.slice(1).join("")}`, fingerprint: fingerprint.join("") };
  });
  const id = ({ key, fingerprint }: { key: string; fingerprint: string }) => key + fingerprint;
  fc.assert(
    fc.property(fc.array(arbitrary, { maxLength: 60 }), fc.array(arbitrary, { maxLength: 20 }), (added, others) => {
      const recent = createRecentlyAcknowledged(16);
      const known = new Set<string>();
      for (const one of added) {
        recent.add([one]);
        known.add(id(one));
        expect(recent.has(one)).toBe(true);
      }
      for (const one of [...added, ...others]) if (recent.has(one)) expect(known.has(id(one))).toBe(true);
      for (const one of added.slice(-8)) expect(recent.has(one)).toBe(true);
    }),
  );
});
