import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MetrlyError } from "#kernel/errors.js";
import { partitionOf } from "#kernel/partition.js";
import type { NewRecord } from "#platform/event-log/event-log.js";
import { installManualTime, type ManualTime } from "#platform/lifecycle/manual-time.testing.js";
import { readUsageReceived } from "#schema/columns/received.js";
import { type ReceivedItem } from "#schema/events/usage-received.v2.js";
import { keyed, receivedItem } from "../world.testing.js";
import { type AppenderLimits, createAppender } from "./appender.js";

const PARTITIONS = 4;

let time: ManualTime;
let restoreTime: () => void;
beforeEach(() => {
  [time, restoreTime] = installManualTime();
});
afterEach(() => restoreTime());

/** An in-memory log that responds on demand: the test subject is the queue in front of it. */
function heldLog() {
  const sends: { partition: number; records: readonly NewRecord[]; answer: (error?: Error) => void }[] = [];
  return {
    sends,
    append: (_topic: unknown, partition: number, records: readonly NewRecord[]) =>
      new Promise<void>((resolve, reject) => {
        sends.push({ partition, records, answer: (error) => (error === undefined ? resolve() : reject(error)) });
      }),
  };
}

function appenderOn(log: ReturnType<typeof heldLog>, limits: Partial<AppenderLimits> = {}, isMoreComing = () => false) {
  const appender = createAppender({
    log,
    partitionCount: PARTITIONS,
    tenancyVersion: () => 7,
    writesColumns: () => true,
    isMoreComing,
    onError: () => undefined,
    limits: {
      ...{ maxItems: 100, maxBytes: 1 << 20, timeoutMs: 2_000, sendsPerPartition: 1, nextSendBytes: 0, ...limits },
      sharedItems: limits.sharedItems ?? limits.maxItems ?? 100,
      sharedBytes: limits.sharedBytes ?? limits.maxBytes ?? 1 << 20,
    },
  });
  return {
    append: (items: readonly ReceivedItem[], sender = "acme") => appender.append(items.map(keyed), sender, 1),
    stop: appender.stop,
  };
}

const turn = () => time.advance(0);
const idsOf = (records: readonly NewRecord[]) =>
  records.flatMap(({ value }) => {
    const record = readUsageReceived(value);
    return record.kind === "items" ? record.items.map(({ id }) => id) : [];
  });
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => "resolved",
    (error: unknown) => (error instanceof MetrlyError ? error.code : error),
  );

describe("the queue in front of the log", () => {
  test("many requests share one record, and none is answered before the log has it", async () => {
    const log = heldLog();
    const appender = appenderOn(log);
    let answered = 0;
    const requests = ["a", "b", "c"].map((id) => appender.append([receivedItem({ id })]).then(() => (answered += 1)));
    await turn();
    expect(log.sends).toHaveLength(1);
    expect(idsOf(log.sends[0]?.records ?? [])).toEqual(["a", "b", "c"]);
    expect(answered).toBe(0);
    log.sends[0]?.answer();
    await Promise.all(requests);
    expect(answered).toBe(3);
  });

  test("a send waits some turns for requests that are being worked on", async () => {
    const log = heldLog();
    const requests: Promise<void>[] = [];
    const coming = ["b", "c", "d"];
    let asked = 0;
    const appender = appenderOn(log, {}, () => {
      asked += 1;
      const id = coming.shift();
      if (id !== undefined) requests.push(appender.append([receivedItem({ id })]));
      return asked <= 3 || asked > 10;
    });
    requests.push(appender.append([receivedItem({ id: "a" })]));
    await turn();
    expect(log.sends.map(({ records }) => idsOf(records))).toEqual([["a", "b", "c", "d"]]);
    log.sends[0]?.answer();
    await Promise.all(requests.splice(0));
    asked = 10;
    requests.push(appender.append([receivedItem({ id: "e" })]));
    await turn();
    expect(idsOf(log.sends[1]?.records ?? [])).toEqual(["e"]);
    expect(asked).toBe(10 + 6);
    log.sends[1]?.answer();
    await Promise.all(requests);
  });

  test("items that arrive as a send ends are sent too", async () => {
    const log = heldLog();
    const appender = appenderOn(log);
    const first = appender.append([receivedItem({ id: "a" })]);
    await turn();
    log.sends[0]?.answer();
    const second = Promise.resolve().then(() => appender.append([receivedItem({ id: "b" })]));
    await first;
    await turn();
    expect(log.sends).toHaveLength(2);
    log.sends[1]?.answer();
    await second;
  });

  test("while the log stores one record the next is sent, but no more at once than allowed", async () => {
    const log = heldLog();
    const appender = appenderOn(log, { sendsPerPartition: 2 });
    const requests = [];
    for (const id of ["a", "b", "c", "d"]) {
      requests.push(appender.append([receivedItem({ id })]));
      await turn();
    }
    expect(log.sends.map(({ records }) => idsOf(records))).toEqual([["a"], ["b"]]);
    log.sends[1]?.answer();
    await requests[1];
    await turn();
    expect(idsOf(log.sends[2]?.records ?? [])).toEqual(["c", "d"]);
    for (const send of log.sends) send.answer();
    await Promise.all(requests);
  });

  test("a request over several partitions is answered when the last of them has its part", async () => {
    const log = heldLog();
    const tenants = ["acme", "globex", "initech", "umbrella", "hooli"];
    const partitions = new Set(tenants.map((tenantId) => partitionOf(tenantId, PARTITIONS)));
    expect(partitions.size).toBeGreaterThan(1);
    const request = appenderOn(log).append(tenants.map((tenantId) => receivedItem({ id: "a", tenantId })));
    await turn();
    expect(new Set(log.sends.map(({ partition }) => partition))).toEqual(partitions);
    const [last, ...others] = log.sends;
    for (const send of others) send.answer();
    await turn();
    expect(await Promise.race([request.then(() => "answered"), turn().then(() => "waits")])).toBe("waits");
    last?.answer();
    await request;
  });

  test("over its bounds in items or bytes it refuses the whole request, and accepts it again once there is capacity", async () => {
    const log = heldLog();
    const appender = appenderOn(log, { maxItems: 3, maxBytes: 2_000 });
    const first = appender.append([receivedItem({ id: "a" }), receivedItem({ id: "b" })]);
    await turn();
    expect(await codeOf(appender.append([receivedItem({ id: "c" }), receivedItem({ id: "d" })]))).toBe("BUSY");
    const big = receivedItem({ id: "e", data: JSON.stringify("x".repeat(2_000)) });
    expect(await codeOf(appender.append([big]))).toBe("BUSY");
    log.sends[0]?.answer();
    await first;
    const again = appender.append([receivedItem({ id: "c" }), receivedItem({ id: "d" })]);
    await turn();
    log.sends[1]?.answer();
    await again;
    expect(idsOf(log.sends[1]?.records ?? [])).toEqual(["c", "d"]);
  });

  test("when the log fails, all queued requests fail immediately, and the next request is sent again", async () => {
    const log = heldLog();
    const appender = appenderOn(log);
    const first = codeOf(appender.append([receivedItem({ id: "a" })]));
    await turn();
    const behind = codeOf(appender.append([receivedItem({ id: "b" })]));
    log.sends[0]?.answer(new Error("broker not connected"));
    expect(await first).toBe("LOG_UNAVAILABLE");
    expect(await behind).toBe("LOG_UNAVAILABLE");
    const next = appender.append([receivedItem({ id: "b" })]);
    await turn();
    log.sends[1]?.answer();
    await next;
  });

  test("a log that does not answer is not waited for longer than its timeout, and sent items keep their capacity", async () => {
    const log = heldLog();
    const appender = appenderOn(log, { maxItems: 2, timeoutMs: 20 });
    const full = codeOf(appender.append([receivedItem({ id: "a" }), receivedItem({ id: "b" })]));
    await time.advance(20);
    expect(await full).toBe("LOG_UNAVAILABLE");
    expect(await codeOf(appender.append([receivedItem({ id: "c" })]))).toBe("BUSY");
  });

  test("a log that answered while the process was busy is in time", async () => {
    const log = heldLog();
    const appender = appenderOn(log, { timeoutMs: 20 });
    const asked = codeOf(appender.append([receivedItem({ id: "a" })]));
    await turn();
    // Read in the turn in which the deadline is noticed, after its timer.
    time.after(20, () => log.sends[0]?.answer(), {});
    await time.advance(20);
    expect(await asked).toBe("resolved");
  });

  test("an unsent item releases its capacity at its deadline and is never sent", async () => {
    const log = heldLog();
    const appender = appenderOn(log, { maxItems: 3, timeoutMs: 20 });
    const first = codeOf(appender.append([receivedItem({ id: "a" })]));
    await turn();
    const behind = codeOf(appender.append([receivedItem({ id: "b" }), receivedItem({ id: "c" })]));
    await time.advance(20);
    expect([await first, await behind]).toEqual(["LOG_UNAVAILABLE", "LOG_UNAVAILABLE"]);
    const later = appender.append([receivedItem({ id: "d" }), receivedItem({ id: "e" })]);
    log.sends[0]?.answer();
    await turn();
    expect(idsOf(log.sends[1]?.records ?? [])).toEqual(["d", "e"]);
    log.sends[1]?.answer();
    await later;
  });

  test("behind 5,000 items of one sender another's one is in the next send, which is small", async () => {
    const log = heldLog();
    const appender = appenderOn(log, { maxItems: 10_000, maxBytes: 64 << 20 });
    const requests = Array.from({ length: 5_000 }, (_, n) => {
      const data = JSON.stringify("x".repeat(1_000));
      return appender.append([receivedItem({ id: `flood-${n}`, data })], "flood");
    });
    await turn();
    requests.push(appender.append([receivedItem({ id: "quiet" })], "quiet"));
    log.sends[0]?.answer();
    await turn();
    const next = idsOf(log.sends[1]?.records ?? []);
    expect(next).toContain("quiet");
    expect(next.length).toBeLessThan(300);
    expect(idsOf(log.sends[0]?.records ?? []).length).toBeGreaterThan(1_000);
    for (let sent = 1; sent < log.sends.length; sent += 1) {
      log.sends[sent]?.answer();
      await turn();
    }
    await Promise.all(requests);
  });

  test("while another waits, for another partition too, the sends of one that floods are small", async () => {
    const log = heldLog();
    const appender = appenderOn(log, { maxItems: 10_000, maxBytes: 64 << 20 });
    const isElsewhere = (id: string) => partitionOf(id, PARTITIONS) !== partitionOf("flood", PARTITIONS);
    const elsewhere = ["a", "b", "c", "d", "e", "f"].find(isElsewhere) ?? "none";
    const data = JSON.stringify("x".repeat(1_000));
    const requests = Array.from({ length: 1_000 }, (_, n) =>
      appender.append([receivedItem({ id: `flood-${n}`, tenantId: "flood", data })], "flood"),
    );
    requests.push(appender.append([receivedItem({ id: "quiet", tenantId: elsewhere })], "quiet"));
    await turn();
    expect(log.sends.map(({ records }) => idsOf(records).length).sort()).toEqual([1, expect.toSatisfy((n) => n < 150)]);
    for (let sent = 0; sent < log.sends.length; sent += 1) {
      log.sends[sent]?.answer();
      await turn();
    }
    await Promise.all(requests);
  });

  test("a sender that fills the queue is over its share once there is another, which still gets in", async () => {
    const log = heldLog();
    const appender = appenderOn(log, { sharedItems: 6, maxItems: 10 });
    const one = (id: string, sender: string) => appender.append([receivedItem({ id })], sender);
    const requests = ["a", "b", "c", "d", "e", "f"].map((id) => one(id, "flood"));
    expect(await codeOf(one("g", "flood"))).toBe("BUSY");
    requests.push(one("q1", "quiet"), one("q2", "quiet"), one("q3", "quiet"));
    expect(await codeOf(one("h", "flood"))).toBe("TENANT_OVER_SHARE");
    expect(await codeOf(one("q4", "quiet"))).toBe("TENANT_OVER_SHARE");
    requests.push(one("t", "third"));
    expect(await codeOf(one("u", "fourth"))).toBe("BUSY");
    await turn();
    log.sends[0]?.answer();
    await Promise.all(requests);
    requests.push(one("g", "flood"));
    await turn();
    log.sends[1]?.answer();
    await Promise.all(requests);
  });

  test("stopping drains the queue, and accepts no more", async () => {
    const log = heldLog();
    const appender = appenderOn(log);
    const request = appender.append([receivedItem({ id: "a" })]);
    await turn();
    let isStopped = false;
    const stopping = appender.stop().then(() => {
      isStopped = true;
    });
    expect(await codeOf(appender.append([receivedItem({ id: "b" })]))).toBe("UNAVAILABLE");
    expect(isStopped).toBe(false);
    log.sends[0]?.answer();
    await Promise.all([request, stopping]);
  });

  test("no record exceeds the limit below the broker's", async () => {
    const log = heldLog();
    const items = Array.from({ length: 60 }, (_, id) =>
      receivedItem({ id: String(id), data: JSON.stringify("\\".repeat(15_000)) }),
    );
    const request = appenderOn(log, { maxBytes: 64 << 20 }).append(items);
    await turn();
    const records = log.sends.flatMap((send) => send.records);
    expect(records.length).toBeGreaterThan(1);
    for (const { value } of records) expect(value.length).toBeLessThan(710_000);
    expect(idsOf(records)).toHaveLength(60);
    for (const send of log.sends) send.answer();
    await request;
  });
});
