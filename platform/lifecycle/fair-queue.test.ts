import fc from "fast-check";
import { expect, test } from "vitest";
import { createFairQueue } from "./fair-queue.js";

test("one sender's flood does not delay another's few elements, and each is served in order", () => {
  const queue = createFairQueue<string>(10);
  for (let n = 0; n < 1_000; n += 1) queue.push("flood", `f${n}`, 10);
  queue.push("quiet", "q0", 10);
  queue.push("quiet", "q1", 10);
  expect(queue.take(40)).toEqual(["f0", "q0", "f1", "q1"]);
  expect(queue.take(20)).toEqual(["f2", "f3"]);
});

test("large elements use up their sender's turns, small ones of others pass them", () => {
  const queue = createFairQueue<string>(10);
  queue.push("large", "L0", 100);
  queue.push("large", "L1", 100);
  for (let n = 0; n < 20; n += 1) queue.push("small", `s${n}`, 10);
  const order = queue.take(1_000);
  expect(order.indexOf("L0")).toBeGreaterThanOrEqual(9);
  expect(order.indexOf("L1")).toBeGreaterThan(order.indexOf("s18"));
});

test("every element is taken once, for any sizes, and never more than requested except for one", () => {
  const element = fc.record({ sender: fc.constantFrom("a", "b", "c"), cost: fc.integer({ min: 1, max: 500 }) });
  fc.assert(
    fc.property(fc.array(element), fc.integer({ min: 1, max: 300 }), (elements, maxCost) => {
      const queue = createFairQueue<number>(64);
      for (const [index, { sender, cost }] of elements.entries()) queue.push(sender, index, cost);
      const taken: number[] = [];
      while (queue.size > 0) {
        const group = queue.take(maxCost);
        const cost = group.reduce((sum, index) => sum + (elements[index]?.cost ?? 0), 0);
        expect(group.length === 1 || cost <= maxCost).toBe(true);
        taken.push(...group);
      }
      expect([...taken].sort((a, b) => a - b)).toEqual(elements.map((_, index) => index));
      for (const sender of ["a", "b", "c"]) {
        const own = taken.filter((index) => elements[index]?.sender === sender);
        expect(own).toEqual([...own].sort((a, b) => a - b));
      }
    }),
  );
});
