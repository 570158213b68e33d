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
/** A request whose whole body has arrived. */
function entered(admission: ReturnType<typeof createAdmission>, sender: string, weight: number, bytes: number) {
  const admitted = admission.enter(sender, weight, bytes);
  admitted.arrived(bytes);
  return admitted;
}
/** Enters with requests of 10 KiB, until refused. */
function fill(admission: ReturnType<typeof createAdmission>, sender: string, weight = 1) {
  const admitted = [];
  for (;;) {
    try {
      admitted.push(entered(admission, sender, weight, 10 * KIB - OVERHEAD));
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
  expect(codeOf(() => entered(admission, "acme", 1, 10))).toBe("admitted");
  for (const one of admitted.slice(1)) one.leave();
  expect(admission.held()).toEqual({ requests: 1, bytes: 10 + OVERHEAD });
});

test("a sender that fills the edge is over its share as soon as there is another, which still gets in", () => {
  const admission = createAdmission(limits);
  const flood = fill(admission, "flood");
  const quiet = entered(admission, "quiet", 1, 10 * KIB);
  expect(codeOf(() => entered(admission, "flood", 1, 10))).toBe("TENANT_OVER_SHARE");
  expect(codeOf(() => entered(admission, "quiet", 1, 10 * KIB))).toBe("admitted");
  quiet.leave();
  for (const one of flood.admitted) one.leave();
  expect(codeOf(() => entered(admission, "flood", 1, 10))).toBe("admitted");
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
  for (let n = 0; n < 100; n += 1) codes.add(codeOf(() => entered(admission, `t${n}`, 1, 9 * KIB)));
  expect(codes).toEqual(new Set(["admitted", "BUSY"]));
  expect(admission.held().bytes).toBeLessThanOrEqual(limits.maxBytes);
});

test("a single request over the share is admitted when its sender holds nothing else", () => {
  const admission = createAdmission(limits);
  for (let n = 0; n < 9; n += 1) entered(admission, `t${n}`, 1, 9 * KIB);
  expect(codeOf(() => entered(admission, "late", 1, 40 * KIB))).toBe("admitted");
});

test("turns: a flood's requests are spread over turns of the event loop, and another's goes between them", async () => {
  const admission = createAdmission({ sharedBytes: 64 << 20, maxBytes: 64 << 20, bytesPerTurn: 40 * KIB });
  const order: string[] = [];
  const request = async (sender: string) => {
    await admission.enter(sender, 1, 9 * KIB).turn(9 * KIB);
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

test("bodies that are announced and do not arrive hold next to nothing", () => {
  const admission = createAdmission(limits);
  const idle = Array.from({ length: 30 }, (_, n) => admission.enter(`idle${n % 3}`, 1, 50 * KIB));
  expect(admission.held()).toEqual({ requests: 30, bytes: 30 * OVERHEAD });
  expect(codeOf(() => entered(admission, "busy", 1, 60 * KIB))).toBe("admitted");
  for (const one of idle) one.leave();
});

test("a body is refused while it arrives when it exceeds its sender's share by then, and what leaves twice leaves once", () => {
  const admission = createAdmission(limits);
  const [first, second] = [admission.enter("flood", 1, 0), admission.enter("flood", 1, 0)];
  const other = entered(admission, "other", 1, 40 * KIB);
  first.arrived(50 * KIB);
  expect(codeOf(() => second.arrived(20 * KIB))).toBe("TENANT_OVER_SHARE");
  second.leave();
  second.leave();
  expect(codeOf(() => first.arrived(30 * KIB))).toBe("admitted");
  first.leave();
  other.leave();
  expect(admission.held()).toEqual({ requests: 0, bytes: 0 });
});

test("work that grows delays its sender's next turn, not another's", async () => {
  const admission = createAdmission({ sharedBytes: 64 << 20, maxBytes: 64 << 20, bytesPerTurn: 40 * KIB });
  const order: string[] = [];
  const request = async (sender: string, grown: number) => {
    const admitted = admission.enter(sender, 1, 0);
    await admitted.turn(9 * KIB);
    admitted.grew(grown);
    order.push(sender);
  };
  const requests = Array.from({ length: 20 }, () => request("bombs", 1_000 * KIB));
  for (let n = 0; n < 20; n += 1) requests.push(request("quiet", 0));
  await Promise.all(requests);
  expect(order.lastIndexOf("quiet")).toBeLessThan(25);
});

test("after heavy work there is a pause while another sender waits for anything, and none otherwise", async () => {
  const gapsOf = async (others: number) => {
    const admission = createAdmission({ sharedBytes: 64 << 20, maxBytes: 64 << 20, bytesPerTurn: 16 * KIB });
    for (let n = 0; n < others; n += 1) admission.enter(`other${n}`, 1, 0);
    let endedMs = 0;
    const gaps: number[] = [];
    const request = async () => {
      await admission.enter("heavy", 1, 0).turn(500 * KIB);
      if (endedMs > 0) gaps.push(performance.now() - endedMs);
      for (const began = performance.now(); performance.now() - began < 12; );
      endedMs = performance.now();
    };
    await Promise.all(Array.from({ length: 6 }, request));
    return gaps;
  };
  expect(Math.min(...(await gapsOf(1)))).toBeGreaterThan(3.9);
  expect(Math.min(...(await gapsOf(0)))).toBeLessThan(3.9);
});
