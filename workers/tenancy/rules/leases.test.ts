import { expect, test } from "vitest";
import { createLeases, LEASE_SEEN_FOR_MS, MAX_LEASES } from "./leases.js";

const report = (instance: string, version: number) => ({ role: "quota", instance, version });
const names = (leases: readonly { instance: string }[]) => leases.map(({ instance }) => instance);

test("who has not reported the version is behind, until it reports it or its lease ends", () => {
  const leases = createLeases();
  leases.take(report("q1", 4), 0);
  leases.take(report("q2", 5), 0);
  expect(names(leases.behind(5))).toEqual(["q1"]);
  leases.take(report("q1", 5), 10);
  expect(leases.behind(5)).toEqual([]);

  leases.expire(LEASE_SEEN_FOR_MS);
  expect(names(leases.behind(6))).toEqual(["q1", "q2"]);
  leases.expire(LEASE_SEEN_FOR_MS + 1);
  expect(names(leases.behind(6))).toEqual(["q1"]);
  leases.take({ ...report("q1", 5), ended: true }, 20);
  expect(leases.behind(6)).toEqual([]);
});

test("a repeated older report takes nothing back", () => {
  const leases = createLeases();
  leases.take(report("q1", 7), 0);
  leases.take(report("q1", 3), 1);
  expect(leases.behind(7)).toEqual([]);
});

test("who was too slow once stays missing and is not waited for, until it has caught up", () => {
  const leases = createLeases();
  leases.take(report("q1", 1), 0);
  const [slow] = leases.behind(2);
  if (slow === undefined) throw new Error("nobody is behind");
  expect(leases.isWaitedFor(slow)).toBe(true);
  leases.noteOverdue([slow], 2);
  expect(leases.isWaitedFor(slow)).toBe(false);
  leases.take(report("q1", 1), 5);
  expect(leases.isWaitedFor(slow)).toBe(false);
  expect(names(leases.behind(3))).toEqual(["q1"]);
  leases.take(report("q1", 2), 6);
  expect(leases.isWaitedFor(slow)).toBe(true);
});

test("who reached the version while it was noted as too slow is not", () => {
  const leases = createLeases();
  leases.take(report("q1", 1), 0);
  const slow = leases.behind(2);
  leases.take(report("q1", 2), 1);
  leases.noteOverdue(slow, 2);
  expect(slow.every(leases.isWaitedFor)).toBe(true);
});

test("a lease that has ended is neither waited for nor noted as too slow", () => {
  const leases = createLeases();
  leases.take(report("q1", 1), 0);
  const gone = leases.behind(2);
  leases.take({ ...report("q1", 1), ended: true }, 1);
  leases.noteOverdue(gone, 2);
  expect(leases.behind(2)).toEqual([]);
  expect(gone.some(leases.isWaitedFor)).toBe(false);
});

test("where all places are taken, those who have one still report", () => {
  const leases = createLeases();
  for (let n = 0; n < MAX_LEASES; n += 1) leases.take(report(`q${n}`, 1), 0);
  leases.take(report("q0", 2), 5);
  expect(leases.isUncertain(5)).toBe(false);
  expect(leases.behind(2)).toHaveLength(MAX_LEASES - 1);
});

test("silence counts from when reports can be read again", () => {
  const leases = createLeases();
  leases.take(report("q1", 1), 0);
  leases.extend(60_000);
  leases.expire(60_000 + LEASE_SEEN_FOR_MS);
  expect(names(leases.behind(2))).toEqual(["q1"]);
});

test("reports that cannot be kept or read make every answer uncertain for the length of a lease", () => {
  const leases = createLeases();
  for (let n = 0; n < MAX_LEASES; n += 1) leases.take(report(`q${n}`, 1), 0);
  expect(leases.isUncertain(0)).toBe(false);
  leases.take(report("one more", 1), 0);
  expect(leases.behind(2)).toHaveLength(MAX_LEASES);
  expect(leases.isUncertain(LEASE_SEEN_FOR_MS - 1)).toBe(true);
  expect(leases.isUncertain(LEASE_SEEN_FOR_MS)).toBe(false);
  leases.takeUnreadable(100_000);
  expect(leases.isUncertain(100_001)).toBe(true);
});
