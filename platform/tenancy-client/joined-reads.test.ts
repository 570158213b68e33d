import { afterEach, beforeEach, expect, test } from "vitest";
import { installManualTime, type ManualTime } from "#platform/lifecycle/manual-time.testing.js";
import { createJoinedReads, READ_SPACING_MS, READ_TIMEOUT_MS } from "./joined-reads.js";

let time: ManualTime;
let restore: () => void;
beforeEach(() => {
  [time, restore] = installManualTime();
});
afterEach(() => restore());

/** Reads that end when told to. */
function heldReads() {
  const running: { end(): void; fail(error: Error): void }[] = [];
  const read = () => new Promise<void>((end, fail) => running.push({ end, fail }));
  return { running, read };
}

test("who asks while a read runs waits for the next one, and all of them for the same", async () => {
  const { running, read } = heldReads();
  const ask = createJoinedReads(read);
  const answered: string[] = [];
  const note = (name: string) => ask().then(() => answered.push(name));
  void note("first");
  await time.advance(0);
  void note("second");
  void note("third");
  await time.advance(READ_SPACING_MS);
  expect(running).toHaveLength(1);
  running[0]?.end();
  await time.advance(0);
  expect(answered).toEqual(["first"]);
  expect(running).toHaveLength(2);
  running[1]?.end();
  await time.advance(0);
  expect(answered).toEqual(["first", "second", "third"]);
});

test("reads start at least an interval apart, however many ask", async () => {
  let reads = 0;
  const ask = createJoinedReads(async () => {
    reads += 1;
  });
  for (let ms = 0; ms < 10 * READ_SPACING_MS; ms += 1) {
    for (let n = 0; n < 50; n += 1) void ask();
    await time.advance(1);
  }
  expect(reads).toBeLessThanOrEqual(11);
  expect(reads).toBeGreaterThan(8);
});

test("one more than may wait is refused at once, and so is everyone whose read fails or hangs", async () => {
  const { running, read } = heldReads();
  const ask = createJoinedReads(read, 2);
  const first = expect(ask()).rejects.toThrow("broken");
  await time.advance(0);
  const waiting = [ask(), ask()].map((one) =>
    expect(one).rejects.toMatchObject({ code: "UNAVAILABLE", extensions: { retryAfterSeconds: 1 } }),
  );
  await expect(ask()).rejects.toMatchObject({ code: "BUSY", extensions: { retryAfterSeconds: 1 } });
  running[0]?.fail(new Error("broken"));
  await time.advance(READ_SPACING_MS);
  await first;
  await time.advance(READ_TIMEOUT_MS);
  await Promise.all(waiting);
  const last = ask();
  await time.advance(READ_SPACING_MS);
  running[2]?.end();
  await last;
});
