import fc from "fast-check";
import { expect, test } from "vitest";
import { packed } from "./pack.js";

test("packing keeps order and everything, and fills each group as far as both limits allow", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(120)),
      fc.integer({ min: 1, max: 100 }),
      fc.integer({ min: 1, max: 8 }),
      (sizes, maxBytes, maxCount) => {
        const groups = [...packed(sizes, (size) => size, { maxBytes, maxCount })];
        expect(groups.flat()).toEqual(sizes);
        for (const [index, group] of groups.entries()) {
          const bytes = group.reduce((sum, size) => sum + size, 0);
          const [next] = groups[index + 1] ?? [];
          expect(group.length).toBeGreaterThan(0);
          expect(group.length).toBeLessThanOrEqual(maxCount);
          if (group.length > 1) expect(bytes).toBeLessThanOrEqual(maxBytes);
          if (next !== undefined && group.length < maxCount) expect(bytes + next).toBeGreaterThan(maxBytes);
        }
      },
    ),
  );
});
