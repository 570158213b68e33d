import { expect, test } from "vitest";
import { pauseAfter } from "./pace.js";

const pause = (items: number, bytes: number, tookMs: number) => pauseAfter({ items, bytes, tookMs }, 2_000_000);

test("under load the recorder waits for more, in proportion to what a batch takes, a tenth of a second at most", () => {
  expect([pause(50, 9_000, 5), pause(800, 150_000, 20), pause(800, 150_000, 5_000)]).toEqual([20, 80, 100]);
});

test("what comes alone, and a log that is behind, is recorded at once", () => {
  expect([pause(0, 100, 50), pause(49, 9_000, 50), pause(9_000, 1_000_000, 50)]).toEqual([0, 0, 0]);
});
