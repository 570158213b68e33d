import { expect, test } from "vitest";
import { openTogether } from "./closers.js";

test("resources are closed in reverse order, once, also after failures", async () => {
  const closed: string[] = [];
  const opened = await openTogether(async (onStop) => {
    onStop(async () => closed.push("first"));
    onStop(async () => {
      closed.push("second");
      throw new Error("the second does not close");
    });
    onStop(async () => closed.push("third"));
    return { name: "all three" };
  }, rethrow);
  expect(opened.name).toBe("all three");
  await expect(opened.stop()).rejects.toThrow("the second does not close");
  expect(closed).toEqual(["third", "second", "first"]);
  await expect(opened.stop()).rejects.toThrow("the second does not close");
  expect(closed).toHaveLength(3);
});

test("resources opened before a failure are closed, and the caller gets the failure", async () => {
  const closed: string[] = [];
  const errors: unknown[] = [];
  const opening = openTogether(
    async (onStop) => {
      onStop(async () => closed.push("first"));
      onStop(() => Promise.reject(new Error("and does not close")));
      throw new Error("the third does not open");
    },
    (error) => errors.push(error),
  );
  await expect(opening).rejects.toThrow("the third does not open");
  expect(closed).toEqual(["first"]);
  expect(errors).toEqual([new Error("and does not close")]);
});

function rethrow(error: unknown): never {
  throw error;
}
