import fc from "fast-check";
import { expect, test } from "vitest";
import { packed } from "./pack.js";

test("packing keeps order and everything, and each group within both limits unless it is a single element", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(120)),
      fc.integer({ min: 1, max: 100 }),
      fc.integer({ min: 1, max: 8 }),
      (sizes, maxBytes, maxCount) => {
        const groups = [...packed(sizes, (size) => size, { maxBytes, maxCount })];
        expect(groups.flat()).toEqual(sizes);
        for (const group of groups) {
          expect(group.length).toBeGreaterThan(0);
          expect(group.length).toBeLessThanOrEqual(maxCount);
          if (group.length > 1) expect(group.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(maxBytes);
        }
      },
    ),
  );
});
