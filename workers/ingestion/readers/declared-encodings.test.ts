import { expect, test } from "vitest";
import { createDeclaredEncodings, KNOWN_FOR_MS, LEASE_SEEN_FOR_MS } from "./declared-encodings.js";

const NEW = { version: 1, reads: ["columns.1"] };
const OLD = { version: 1 };
const READ_EVERY_MS = 3_000;

/** Processes that report before each of our reads, as long as they live. */
function installation() {
  const declared = createDeclaredEncodings();
  const living = new Map<string, { role: string; version: number; reads?: string[] }>();
  let nowMs = 1_000;
  return {
    declared,
    living,
    now: () => nowMs,
    pass(ms: number): void {
      for (const until = nowMs + ms; nowMs < until; nowMs += READ_EVERY_MS) {
        for (const [instance, process] of living) declared.take({ instance, ...process }, nowMs);
        declared.taken(nowMs);
      }
    },
    writes: () => declared.areAllReading("columns.1", nowMs),
  };
}

test("columns are written once every process that reads usage has declared them, and a lease's life has passed", () => {
  const { living, pass, writes } = installation();
  living
    .set("i1", { role: "ingestion", ...NEW })
    .set("b1", { role: "billing", ...NEW })
    .set("g1", { role: "gateway", ...OLD });
  expect(writes()).toBe(false);
  pass(LEASE_SEEN_FOR_MS - READ_EVERY_MS);
  expect(writes()).toBe(false);
  pass(2 * READ_EVERY_MS);
  expect(writes()).toBe(true);
});

test.each(["ingestion", "billing", "quota", "all", "a role of newer code"])(
  "a process of the role %s that has not declared them holds them back, until its lease has ended",
  (role) => {
    const { living, pass, writes } = installation();
    living.set("i1", { role: "ingestion", ...NEW });
    pass(LEASE_SEEN_FOR_MS + READ_EVERY_MS);
    expect(writes()).toBe(true);
    // A rollback: it is seen at the next read.
    living.set("old", { role, ...OLD });
    pass(READ_EVERY_MS);
    expect(writes()).toBe(false);
    pass(10 * LEASE_SEEN_FOR_MS);
    expect(writes()).toBe(false);
    living.delete("old");
    pass(LEASE_SEEN_FOR_MS - READ_EVERY_MS);
    expect(writes()).toBe(false);
    pass(3 * READ_EVERY_MS);
    expect(writes()).toBe(true);
  },
);

test("a process that stops in order holds nothing back any more", () => {
  const { declared, living, pass, writes, now } = installation();
  living.set("i1", { role: "ingestion", ...NEW }).set("old", { role: "quota", ...OLD });
  pass(LEASE_SEEN_FOR_MS + READ_EVERY_MS);
  expect(writes()).toBe(false);
  living.delete("old");
  declared.take({ role: "quota", instance: "old", ...OLD, ended: true }, now());
  expect(writes()).toBe(true);
});

test("what is not known is not declared: no process, an unreadable report, a log that was not read, too many processes", () => {
  const { declared, living, pass, writes, now } = installation();
  pass(2 * LEASE_SEEN_FOR_MS);
  expect(writes()).toBe(false);
  living.set("i1", { role: "ingestion", ...NEW });
  pass(READ_EVERY_MS);
  expect(writes()).toBe(true);
  declared.takeUnreadable(now());
  expect(writes()).toBe(false);
  pass(LEASE_SEEN_FOR_MS + READ_EVERY_MS);
  expect(writes()).toBe(true);
  expect(declared.areAllReading("columns.2", now())).toBe(false);
  expect(declared.areAllReading("columns.1", now() + KNOWN_FOR_MS + READ_EVERY_MS)).toBe(false);
  // After that everything is read anew, for the life of a lease.
  declared.taken(now() + 2 * KNOWN_FOR_MS);
  declared.take({ role: "ingestion", instance: "i1", ...NEW }, now() + 2 * KNOWN_FOR_MS);
  expect(declared.areAllReading("columns.1", now() + 2 * KNOWN_FOR_MS + 1)).toBe(false);
  for (let n = 0; n < 1_001; n += 1) living.set(`p${n}`, { role: "quota", ...NEW });
  pass(4 * LEASE_SEEN_FOR_MS);
  expect(writes()).toBe(false);
});
