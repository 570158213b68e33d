import { expect, test } from "vitest";
import { installManualTime } from "#platform/lifecycle/manual-time.testing.js";
import { consumerReasons } from "./readiness.js";

test("a consumer is ready from its start for as long as it moves", async () => {
  const [time, restore] = installManualTime(1_000);
  try {
    let progress = time.now();
    const consumer = { lastProgressAt: () => progress };
    expect(consumerReasons("the recorder", undefined)).toEqual(["the recorder has not started"]);
    await time.advance(30_000);
    expect(consumerReasons("the recorder", consumer)).toEqual([]);
    await time.advance(1);
    expect(consumerReasons("the recorder", consumer)).toEqual(["the recorder makes no progress"]);
    progress = time.now();
    expect(consumerReasons("the recorder", consumer)).toEqual([]);
  } finally {
    restore();
  }
});
