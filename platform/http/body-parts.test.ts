import { expect, test } from "vitest";
import { createBodyParts } from "./body-parts.js";

test.each([
  ["one byte each", 100_000, [1]],
  ["small and large", 300, [1, 4_096]],
  ["large", 100, [65_536]],
  ["middle", 1_000, [1_500]],
  ["none", 0, []],
])("a body in parts, %s, is whole, and holds little more than its bytes", (_, count, sizes) => {
  const parts = createBodyParts();
  const sent = Array.from({ length: count }, (_, n) => Buffer.alloc(sizes[n % sizes.length] ?? 0, `${n}`));
  for (const part of sent) parts.add(part);
  const bytes = sent.reduce((sum, { length }) => sum + length, 0);
  expect(parts.heldBytes()).toBeLessThanOrEqual(2 * bytes + 256);
  // Of 16 KiB, or as they came, and some that grow.
  expect(parts.count()).toBeLessThanOrEqual(bytes / 2_048 + 10);
  expect(parts.whole().equals(Buffer.concat(sent))).toBe(true);
});
