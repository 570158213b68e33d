import { expect, test } from "vitest";
import { readingAt, UpgradeRequired } from "./upgrade-required.js";

const unknown = { contract: "metrly.usage.received.v1", set: "control record", member: "merge" };

test("what newer code wrote says what to do, and where it stands when it was read from the log", () => {
  const error = new UpgradeRequired(unknown);
  expect(error).toMatchObject({ name: "UpgradeRequired", code: "UNAVAILABLE", status: 503, offset: undefined });
  expect(error.message).toBe(
    'upgrade this process: metrly.usage.received.v1 has the control record "merge", which this version does not know',
  );
  expect(readingAt(7, () => "read")).toBe("read");
  const read = () =>
    readingAt(7, () => {
      throw error;
    });
  expect(read).toThrow(expect.objectContaining({ name: "UpgradeRequired", unknown, offset: 7 }));
});

test("another error stays as it is", () => {
  const broken = new Error("broken");
  const read = () =>
    readingAt(7, () => {
      throw broken;
    });
  expect(read).toThrow(broken);
});
