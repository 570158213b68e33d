import { expect, test } from "vitest";
import { type Follower, followStream } from "./stream.js";

interface Row {
  readonly number: number;
}

/** A stream whose reads end when the test says so. */
function openStream() {
  const reads: { readonly from: number; answer(...numbers: number[]): void; fail(error: Error): void }[] = [];
  const followers = new Set<Follower>();
  const source = followStream<Row>(
    "acme",
    0,
    (from) =>
      new Promise((resolve, reject) =>
        reads.push({ from, answer: (...numbers) => resolve(numbers.map((number) => ({ number }))), fail: reject }),
      ),
    (follower) => followers.add(follower),
    (follower) => followers.delete(follower),
  );
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  const wake = () => {
    for (const follower of followers) follower.wake();
  };
  return { source, reads, followers, settle, wake };
}

test("notices announced during a read are read in the next round", async () => {
  const { source, reads, settle, wake } = openStream();
  const next = source.next();
  await settle();
  wake();
  reads[0]?.answer();
  await settle();
  expect(reads).toHaveLength(2);
  reads[1]?.answer(1);
  expect(await next).toEqual({ done: false, value: { number: 1 } });
});

test("each read continues after the last returned notice", async () => {
  const { source, reads, settle, wake } = openStream();
  const taken = [source.next(), source.next(), source.next()];
  await settle();
  reads[0]?.answer(3, 7);
  expect(await Promise.all(taken.slice(0, 2))).toEqual([3, 7].map((number) => ({ done: false, value: { number } })));
  await settle();
  expect(reads).toHaveLength(1);
  wake();
  await settle();
  expect(reads[1]?.from).toBe(7);
  reads[1]?.answer(8);
  expect(await taken[2]).toEqual({ done: false, value: { number: 8 } });
});

test("a client that leaves during a read gets nothing more", async () => {
  const { source, reads, followers, settle } = openStream();
  const next = source.next();
  await settle();
  await source.return?.();
  reads[0]?.answer(1);
  expect(await next).toEqual({ done: true, value: undefined });
  expect(followers.size).toBe(0);
});

test("a failed read ends the stream with its error instead of skipping notices", async () => {
  const { source, reads, followers, settle } = openStream();
  const next = source.next();
  await settle();
  reads[0]?.fail(new Error("the database went away"));
  await expect(next).rejects.toThrow("went away");
  expect(followers.size).toBe(0);
  expect(await source.next()).toEqual({ done: true, value: undefined });
});
