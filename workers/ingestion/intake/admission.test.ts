import { expect, test } from "vitest";
import { MetrlyError } from "#kernel/errors.js";
import { createAdmission } from "./admission.js";

const OVERHEAD = 1_024;
const KIB = 1_024;
const limits = { sharedBytes: 100 * KIB, maxBytes: 150 * KIB, bytesPerTurn: 64 * KIB };
const codeOf = (work: () => unknown): string => {
  try {
    work();
    return "admitted";
  } catch (error) {
    return error instanceof MetrlyError ? error.code : String(error);
  }
};
/** Enters with requests of 10 KiB, until refused. */
function fill(admission: ReturnType<typeof createAdmission>, sender: string, weight = 1) {
  const admitted = [];
  for (;;) {
    try {
      admitted.push(admission.enter(sender, weight, 10 * KIB - OVERHEAD));
    } catch (error) {
      return { admitted, code: error instanceof MetrlyError ? error.code : String(error) };
    }
  }
}

test("alone a sender may fill the edge, and then it is busy; what leaves makes room", () => {
  const admission = createAdmission(limits);
  const { admitted, code } = fill(admission, "acme");
  expect([admitted.length, code]).toEqual([10, "BUSY"]);
  admitted[0]?.leave();
  expect(codeOf(() => admission.enter("acme", 1, 10))).toBe("admitted");
  for (const one of admitted.slice(1)) one.leave();
  expect(admission.held()).toEqual({ requests: 1, bytes: 10 + OVERHEAD });
});

test("a sender that fills the edge is over its share as soon as there is another, which still gets in", () => {
  const admission = createAdmission(limits);
  const flood = fill(admission, "flood");
  const quiet = admission.enter("quiet", 1, 10 * KIB);
  expect(codeOf(() => admission.enter("flood", 1, 10))).toBe("TENANT_OVER_SHARE");
  expect(codeOf(() => admission.enter("quiet", 1, 10 * KIB))).toBe("admitted");
  quiet.leave();
  for (const one of flood.admitted) one.leave();
  expect(codeOf(() => admission.enter("flood", 1, 10))).toBe("admitted");
});

test("shares follow weights", () => {
  const admission = createAdmission(limits);
  fill(admission, "flood");
  const platform = fill(admission, "platform", 4);
  expect(platform.admitted.length).toBe(5);
  expect(platform.code).toBe("BUSY");
  const other = createAdmission(limits);
  fill(other, "platform", 4);
  expect(fill(other, "flood").admitted.length).toBe(2);
});

test("nothing goes over the bound, however many senders there are", () => {
  const admission = createAdmission(limits);
  const codes = new Set<string>();
  for (let n = 0; n < 100; n += 1) codes.add(codeOf(() => admission.enter(`t${n}`, 1, 9 * KIB)));
  expect(codes).toEqual(new Set(["admitted", "BUSY"]));
  expect(admission.held().bytes).toBeLessThanOrEqual(limits.maxBytes);
});

test("a single request over the share is admitted when its sender holds nothing else", () => {
  const admission = createAdmission(limits);
  for (let n = 0; n < 9; n += 1) admission.enter(`t${n}`, 1, 9 * KIB);
  expect(codeOf(() => admission.enter("late", 1, 40 * KIB))).toBe("admitted");
});

test("turns: a flood's requests are spread over turns of the event loop, and another's goes between them", async () => {
  const admission = createAdmission({ sharedBytes: 64 << 20, maxBytes: 64 << 20, bytesPerTurn: 40 * KIB });
  const order: string[] = [];
  const request = async (sender: string) => {
    await admission.enter(sender, 1, 9 * KIB).turn();
    order.push(sender);
  };
  const requests = Array.from({ length: 50 }, () => request("flood"));
  requests.push(request("quiet"));
  await Promise.resolve();
  expect(order).toEqual(["flood", "flood", "flood", "flood"]);
  await Promise.all(requests);
  expect(order.indexOf("quiet")).toBeLessThan(9);
  expect(order).toHaveLength(51);
});
