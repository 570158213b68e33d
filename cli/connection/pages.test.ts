import { expect, test } from "vitest";
import { UserError } from "./failure.js";
import { everyPage, type PageRequest } from "./pages.js";

/** A server of numbers whose pages are too large with more than `fits` of them. */
function numbers(count: number, fits: number) {
  const asked: number[] = [];
  const page = async ({ first, after }: PageRequest) => {
    asked.push(first);
    if (first > fits) throw new UserError("TOO_LARGE: request smaller pages", "TOO_LARGE");
    const from = after === null ? 0 : Number(after);
    const end = Math.min(count, from + first);
    const nodes = Array.from({ length: end - from }, (_, n) => from + n);
    return { nodes, pageInfo: { hasNextPage: end < count, endCursor: `${end}` } };
  };
  return { asked, page };
}

test("pages that are too large are asked for again, smaller, without losing or repeating a node", async () => {
  const { asked, page } = numbers(60, 10);
  expect(await everyPage(page)).toEqual(Array.from({ length: 60 }, (_, n) => n));
  expect(asked).toEqual([100, 25, 7, 7, 7, 7, 7, 7, 7, 7, 7]);
});

test("a node that is too large alone is the server's error", async () => {
  const { asked, page } = numbers(5, 0);
  await expect(everyPage(page)).rejects.toThrow("TOO_LARGE");
  expect(asked.at(-1)).toBe(1);
});
