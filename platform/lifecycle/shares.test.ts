import fc from "fast-check";
import { expect, test } from "vitest";
import { createShares } from "./shares.js";

test("what is held never exceeds the bound, and nobody who holds nothing is over its share", () => {
  const step = fc.record({
    sender: fc.constantFrom("a", "b", "c"),
    amount: fc.integer({ min: 1, max: 60 }),
    leaves: fc.boolean(),
  });
  const weights: Readonly<Record<string, number>> = { a: 1, b: 1, c: 8 };
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const shares = createShares({ shared: 60, max: 100 });
      const held = new Map<string, number[]>();
      const total = () => [...held.values()].flat().reduce((sum, amount) => sum + amount, 0);
      for (const { sender, amount, leaves } of steps) {
        const own = held.get(sender) ?? [];
        held.set(sender, own);
        const weight = weights[sender] ?? 1;
        if (leaves) {
          const left = own.pop();
          if (left !== undefined) shares.hold(sender, weight, -left);
        } else {
          const refusal = shares.refusal(sender, weight, amount);
          if (own.length === 0) expect(refusal).not.toBe("over share");
          if (refusal !== undefined) continue;
          shares.hold(sender, weight, amount);
          own.push(amount);
        }
        expect(shares.held).toBe(total());
        expect(shares.held).toBeLessThanOrEqual(100);
        expect(shares.senders).toBe([...held.values()].filter(({ length }) => length > 0).length);
      }
    }),
  );
});
