import { randomBytes } from "node:crypto";
import { Registry } from "prom-client";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { HOUR_MS } from "#kernel/duration.js";
import { UpgradeRequired } from "#kernel/upgrade-required.js";
import type { Topic } from "#schema/topics.js";
import { waitFor } from "../../tests/servers/servers.js";
import type { BatchOutcome, ConsumerOptions, EventLog, LogBatch, LogConsumer } from "./event-log.js";
import { withUpgradeStops } from "./upgrade-stops.js";

export interface LogUnderTest {
  /** Opens the log; called again after `stop` it must find what was there. */
  open(): Promise<EventLog>;
  /** A log whose server is not there. */
  openUnreachable(): Promise<EventLog>;
  /** Whether a group's consumers share partitions, or each gets all of them. */
  readonly sharesPartitions: boolean;
}

export function newTopic(kind: Partial<Topic> = {}): Topic {
  const name = `conformance.${randomBytes(6).toString("hex")}`;
  return { name, keyedByTenant: true, compacted: false, retentionMs: undefined, ...kind };
}

/** What every adapter of the event log must do. */
export function describeEventLog(name: string, subject: LogUnderTest): void {
  describe(`event log: ${name}`, () => {
    let log: EventLog;
    let consumers: LogConsumer[] = [];

    beforeEach(async () => {
      consumers = [];
      log = await subject.open();
    });
    afterEach(async () => {
      await Promise.all(consumers.map((consumer) => consumer.stop()));
      await log.stop();
    });

    async function givenTopic(partitions: number, kind: Partial<Topic> = {}): Promise<Topic> {
      const topic = newTopic(kind);
      await log.ensureTopics([topic], partitions);
      return topic;
    }

    /** A consumer that writes down what it gets and keeps its cursor, as a service's database would. */
    async function collect(topic: Topic, options: Partial<ConsumerOptions> = {}, on: EventLog = log) {
      const seen: { partition: number; offset: number; text: string }[] = [];
      const errors: unknown[] = [];
      const consumer = await on.consume({
        topic,
        group: "g",
        startAt: async () => 0,
        onError: (error) => errors.push(error),
        ...options,
        async onBatch(batch) {
          const outcome = await (options.onBatch?.(batch) ?? CONTINUE);
          if (outcome.kind === "continue") for (const one of textsOf(batch)) seen.push(one);
          return outcome;
        },
      });
      consumers.push(consumer);
      const texts = () => seen.map(({ text }) => text);
      const untilSeen = (count: number) => waitFor(() => seen.length >= count, { what: `${count} records` });
      return { consumer, seen, errors, texts, untilSeen };
    }

    test("keeps the order of each partition", async () => {
      const topic = await givenTopic(2);
      for (let i = 0; i < 20; i += 1) await append(log, topic, i % 2, `${i}`);
      const { seen, untilSeen } = await collect(topic);
      await untilSeen(20);
      for (const partition of [0, 1]) {
        const own = seen.filter((one) => one.partition === partition);
        expect(own.map((one) => Number(one.text))).toEqual(Array.from({ length: 10 }, (_, i) => i * 2 + partition));
        expect(own.map((one) => one.offset)).toEqual(Array.from({ length: 10 }, (_, i) => i));
      }
    });

    test("gives keys, bytes and the time of storing back", async () => {
      const topic = await givenTopic(1);
      const value = randomBytes(900_000);
      const before = Date.now();
      await log.append(topic, 0, [{ key: "tenant-ü", value }, { value: Buffer.alloc(0) }]);
      const [first, second] = await log.read(topic, 0, 0, 10);
      expect(first?.key).toBe("tenant-ü");
      expect(first?.value.equals(value)).toBe(true);
      expect(Math.abs((first?.timestamp ?? 0) - before)).toBeLessThan(HOUR_MS);
      expect(second).toMatchObject({ offset: 1, key: undefined, value: Buffer.alloc(0) });
    });

    test("concurrent appends all arrive, each caller's in its order", async () => {
      const topic = await givenTopic(1);
      const callers = Array.from({ length: 10 }, async (_, caller) => {
        for (let i = 0; i < 10; i += 1) await append(log, topic, 0, `${caller}:${i}`);
      });
      await Promise.all(callers);
      const texts = (await log.read(topic, 0, 0, 1_000)).map(({ value }) => value.toString());
      expect(texts).toHaveLength(100);
      for (let caller = 0; caller < 10; caller += 1)
        expect(texts.filter((text) => text.startsWith(`${caller}:`))).toEqual(
          Array.from({ length: 10 }, (_, i) => `${caller}:${i}`),
        );
    });

    test("appends that don't wait for each other keep the order of their calls", async () => {
      const topic = await givenTopic(1);
      await Promise.all(Array.from({ length: 50 }, (_, i) => append(log, topic, 0, `${i}`)));
      const texts = (await log.read(topic, 0, 0, 100)).map(({ value }) => value.toString());
      expect(texts).toEqual(Array.from({ length: 50 }, (_, i) => `${i}`));
    });

    test("appended records survive closing and reopening the log", async () => {
      const topic = await givenTopic(1);
      await append(log, topic, 0, "kept");
      await log.stop();
      log = await subject.open();
      await log.ensureTopics([topic], 1);
      expect((await log.read(topic, 0, 0, 10)).map(({ value }) => value.toString())).toEqual(["kept"]);
    });

    test("delivers a batch again after onBatch threw, and reports the error", async () => {
      const topic = await givenTopic(1);
      await append(log, topic, 0, "a");
      const failure = new Error("no database");
      let tries = 0;
      const { texts, errors, untilSeen } = await collect(topic, {
        async onBatch() {
          tries += 1;
          if (tries <= 2) throw failure;
          return { kind: "continue" };
        },
      });
      await untilSeen(1);
      await append(log, topic, 0, "b");
      await untilSeen(2);
      expect(texts()).toEqual(["a", "b"]);
      expect(errors).toEqual([failure, failure]);
    });

    test("a failing partition does not hold up the others", async () => {
      const topic = await givenTopic(2);
      await append(log, topic, 0, "bad");
      await append(log, topic, 1, "good");
      const { texts, untilSeen, consumer } = await collect(topic, {
        async onBatch({ partition }) {
          if (partition === 0) throw new Error("poison");
          return { kind: "continue" };
        },
      });
      await untilSeen(1);
      await append(log, topic, 1, "more");
      await untilSeen(2);
      expect(texts()).toEqual(["good", "more"]);
      const stuckSince = consumer.lastProgressAt();
      await waitFor(() => Date.now() - stuckSince > 2_000, { what: "time to pass" });
      expect(consumer.lastProgressAt()).toBe(stuckSince);
    });

    test("a partition waits before a record of newer code, the others go on, and so does it once the code knows", async () => {
      const topic = await givenTopic(2);
      const stoppable = withUpgradeStops(log, new Registry());
      for (const text of ["a", "b", "newer", "c"]) await append(log, topic, 0, text);
      let isUpgraded = false;
      const unknown = { contract: topic.name, set: "text", member: "newer" };
      const onBatch = async ({ records }: LogBatch): Promise<BatchOutcome> => {
        for (const { offset, value } of records)
          if (value.toString() === "newer" && !isUpgraded) throw new UpgradeRequired(unknown, offset);
        return { kind: "continue" };
      };
      const { texts, untilSeen } = await collect(topic, { onBatch }, stoppable);
      await waitFor(() => stoppable.waitingForUpgrade().length > 0, { what: "the partition to wait" });
      expect(stoppable.waitingForUpgrade()).toEqual([
        `g waits at ${topic.name}/0 offset 2: upgrade this process: ${topic.name} has the text "newer", which this version does not know`,
      ]);
      await append(log, topic, 1, "elsewhere");
      await untilSeen(3);
      expect(texts().sort()).toEqual(["a", "b", "elsewhere"]);
      isUpgraded = true;
      await untilSeen(5);
      expect(texts().filter((text) => text !== "elsewhere")).toEqual(["a", "b", "newer", "c"]);
      expect(stoppable.waitingForUpgrade()).toEqual([]);
    });

    test("follows `seek`, forwards and backwards", async () => {
      const topic = await givenTopic(1);
      for (const text of ["a", "b", "c", "d"]) await append(log, topic, 0, text);
      const seeks: BatchOutcome[] = [
        { kind: "seek", next: 3 },
        { kind: "seek", next: 1 },
      ];
      const firsts: number[] = [];
      const { texts, untilSeen } = await collect(topic, {
        async onBatch({ records: [first] }) {
          firsts.push(first.offset);
          return seeks.shift() ?? { kind: "continue" };
        },
      });
      await untilSeen(3);
      expect(firsts.slice(0, 3)).toEqual([0, 3, 1]);
      expect(texts()).toEqual(["b", "c", "d"]);
    });

    test("begins at startAt, also after a restart", async () => {
      const topic = await givenTopic(1);
      for (const text of ["a", "b", "c"]) await append(log, topic, 0, text);
      let cursor = 1;
      const startAt = async () => cursor;
      const first = await collect(topic, { startAt });
      await first.untilSeen(2);
      await first.consumer.stop();
      expect(first.texts()).toEqual(["b", "c"]);
      cursor = 2;
      const second = await collect(topic, { startAt });
      await second.untilSeen(1);
      expect(second.texts()).toEqual(["c"]);
    });

    test("begins at a cursor that was moved beyond what the log had held when it was first asked", async () => {
      const topic = await givenTopic(1);
      const { texts, errors, untilSeen } = await collect(topic, {
        async startAt() {
          for (const text of ["a", "b", "c"]) await append(log, topic, 0, text);
          return 2;
        },
      });
      await untilSeen(1);
      expect(texts()).toEqual(["c"]);
      expect(errors).toEqual([]);
    });

    test("tries again when startAt throws", async () => {
      const topic = await givenTopic(1);
      await append(log, topic, 0, "a");
      let tries = 0;
      const { texts, errors, untilSeen } = await collect(topic, {
        async startAt() {
          tries += 1;
          if (tries === 1) throw new Error("no database yet");
          return 0;
        },
      });
      await untilSeen(1);
      expect(texts()).toEqual(["a"]);
      expect(errors).toHaveLength(1);
    });

    test.each([
      ["beyond the end", 7],
      ["below the oldest record", 0],
    ])("a cursor %s stops the partition with an error, and only that partition", async (_, cursor) => {
      const topic = await givenTopic(2);
      for (const text of ["a", "b", "c"]) await append(log, topic, 0, text);
      await log.trim(topic, 0, 1);
      const { seen, errors, untilSeen } = await collect(topic, {
        startAt: async (partition) => (partition === 0 ? cursor : 0),
      });
      await waitFor(() => errors.length > 0, { what: "the error" });
      await append(log, topic, 0, "d");
      await append(log, topic, 1, "other");
      await untilSeen(1);
      expect(seen).toEqual([{ partition: 1, offset: 0, text: "other" }]);
      expect(errors).toMatchObject([{ name: "LogPositionError" }]);
    });

    test("a cursor beyond an empty, compacted topic is noticed before anything is appended", async () => {
      const topic = await givenTopic(1, { compacted: true, keyedByTenant: false });
      const { seen, errors } = await collect(topic, { startAt: async () => 5 });
      await waitFor(() => errors.length > 0, { what: "the error" });
      await append(log, topic, 0, "b");
      expect(seen).toEqual([]);
      expect(errors).toMatchObject([{ name: "LogPositionError" }]);
    });

    test("a hole that opens below a running consumer stops it", async () => {
      const topic = await givenTopic(1);
      for (const text of ["a", "b", "c"]) await append(log, topic, 0, text);
      let trimmed: Promise<void> | undefined;
      const { seen, errors } = await collect(topic, {
        async onBatch() {
          trimmed ??= log.trim(topic, 0, 2);
          await trimmed;
          return { kind: "seek", next: 1 };
        },
      });
      await waitFor(() => errors.length > 0, { what: "the error" });
      expect(errors).toMatchObject([{ name: "LogPositionError" }]);
      expect(seen).toEqual([]);
    });

    test.each([
      ["a start", undefined],
      ["a seek", 1],
    ])("a cursor of before another owner went on, and the log was trimmed, is read again after %s", async (_, next) => {
      const topic = await givenTopic(1);
      for (const text of ["a", "b", "c"]) await append(log, topic, 0, text);
      let cursor = 0;
      const goOn = async () => {
        cursor = 2;
        await log.trim(topic, 0, 2);
      };
      const { seen, errors, untilSeen } = await collect(topic, {
        async startAt() {
          const read = cursor;
          if (next === undefined) await goOn();
          return read;
        },
        async onBatch({ records }) {
          if (next === undefined || records[0].offset > 0) return { kind: "continue" };
          await goOn();
          return { kind: "seek", next };
        },
      });
      await untilSeen(1);
      expect(seen).toEqual([{ partition: 0, offset: 2, text: "c" }]);
      expect(errors).toEqual([]);
    });

    test("a cursor of before another owner went on, and the log was trimmed, is read again between two fetches", async () => {
      const topic = await givenTopic(1);
      for (const text of ["a", "b", "c"]) await append(log, topic, 0, text);
      let cursor = 0;
      const { texts, errors, untilSeen } = await collect(topic, {
        maxBatchBytes: 1,
        startAt: async () => cursor,
        async onBatch({ records }) {
          if (records[0].offset > 0) return CONTINUE;
          cursor = 2;
          await log.trim(topic, 0, 2);
          return CONTINUE;
        },
      });
      await untilSeen(2);
      expect(texts()).toEqual(["a", "c"]);
      expect(errors).toEqual([]);
    });

    test("records that are forgotten before they were consumed are not skipped silently", async () => {
      const topic = await givenTopic(1);
      for (const text of ["a", "b", "c", "d"]) await append(log, topic, 0, text);
      const { texts, errors } = await collect(topic, {
        maxBatchBytes: 1,
        async onBatch() {
          await log.trim(topic, 0, 3);
          return CONTINUE;
        },
      });
      await waitFor(() => errors.length > 0, { what: "the error" });
      expect(errors).toMatchObject([{ name: "LogPositionError" }]);
      expect(texts()).toEqual(["a"]);
    });

    test("delivers records appended while it waits", async () => {
      const topic = await givenTopic(1);
      const { untilSeen, consumer } = await collect(topic);
      await waitFor(() => consumer.assigned().length === 1, { what: "the assignment" });
      await append(log, topic, 0, "warm");
      await untilSeen(1);
      await append(log, topic, 0, "now");
      await untilSeen(2);
    });

    test("an idle consumer makes progress", async () => {
      const topic = await givenTopic(2);
      const { consumer } = await collect(topic);
      await waitFor(() => consumer.assigned().length === 2, { what: "the assignment" });
      const before = consumer.lastProgressAt();
      await waitFor(() => consumer.lastProgressAt() > before, { what: "progress" });
    });

    test("one call of onBatch at a time per partition, and batches within the byte limit", async () => {
      const topic = await givenTopic(2);
      const value = Buffer.alloc(40_000);
      for (const partition of [0, 1])
        await log.append(
          topic,
          partition,
          Array.from({ length: 20 }, () => ({ value })),
        );
      let most = 0;
      const active = new Map<number, number>();
      const sizes: number[] = [];
      const { untilSeen } = await collect(topic, {
        maxBatchBytes: 200_000,
        async onBatch({ partition, records }) {
          active.set(partition, (active.get(partition) ?? 0) + 1);
          most = Math.max(most, active.get(partition) ?? 0);
          sizes.push(records.reduce((sum, record) => sum + record.value.length, 0));
          await new Promise((resolve) => setTimeout(resolve, 5));
          active.set(partition, (active.get(partition) ?? 0) - 1);
          return CONTINUE;
        },
      });
      await untilSeen(40);
      expect(most).toBe(1);
      // The broker counts whole batches of a producer, so a batch may exceed the limit by one of those.
      expect(Math.max(...sizes)).toBeLessThanOrEqual(subject.sharesPartitions ? 1_048_576 : 200_000);
    });

    test("stop waits for the running batch and delivers nothing after it", async () => {
      const topic = await givenTopic(1);
      await append(log, topic, 0, "a");
      const gate = createGate();
      let started = 0;
      let finished = false;
      const { consumer } = await collect(topic, {
        async onBatch() {
          started += 1;
          await gate.promise;
          finished = true;
          return CONTINUE;
        },
      });
      await waitFor(() => started === 1, { what: "the batch" });
      const stopped = consumer.stop().then(() => finished);
      await append(log, topic, 0, "b");
      gate.resolve();
      expect(await stopped).toBe(true);
      expect(started).toBe(1);
      expect(consumer.assigned()).toEqual([]);
    });

    test.runIf(subject.sharesPartitions)(
      "two consumers share a group; one takes over when the other stops",
      async () => {
        const topic = await givenTopic(4);
        const cursors = [0, 0, 0, 0];
        const startAt = async (partition: number) => cursors[partition] ?? 0;
        const onBatch = async ({ partition, records }: LogBatch): Promise<BatchOutcome> => {
          const next = cursors[partition] ?? 0;
          if (records[0].offset !== next) return { kind: "seek", next };
          cursors[partition] = (records.at(-1)?.offset ?? 0) + 1;
          return CONTINUE;
        };
        const other = await subject.open();
        const one = await collect(topic, { startAt, onBatch });
        const two = await collect(topic, { startAt, onBatch }, other);
        const both = () => [...one.consumer.assigned(), ...two.consumer.assigned()].sort();
        await waitFor(() => one.consumer.assigned().length === 2 && both().join() === "0,1,2,3", {
          what: "two partitions each",
        });
        for (const partition of [0, 1, 2, 3]) await append(log, topic, partition, `before ${partition}`);
        await waitFor(() => one.seen.length + two.seen.length === 4, { what: "4 records" });
        await one.consumer.stop();
        for (const partition of [0, 1, 2, 3]) await append(log, topic, partition, `after ${partition}`);
        await waitFor(() => one.seen.length + two.seen.length === 8, { what: "8 records" });
        expect([...one.texts(), ...two.texts()].sort()).toEqual(
          [0, 1, 2, 3].flatMap((partition) => [`after ${partition}`, `before ${partition}`]).sort(),
        );
        await two.consumer.stop();
        await other.stop();
      },
    );

    test("trim moves the lower bound and keeps the rest", async () => {
      const topic = await givenTopic(1);
      expect(await log.bounds(topic, 0)).toEqual({ first: 0, next: 0 });
      for (const text of ["a", "b", "c"]) await append(log, topic, 0, text);
      await log.trim(topic, 0, 2);
      expect(await log.bounds(topic, 0)).toEqual({ first: 2, next: 3 });
      await log.trim(topic, 0, 1);
      expect(await log.bounds(topic, 0)).toEqual({ first: 2, next: 3 });
      expect((await log.read(topic, 0, 0, 10)).map(({ offset }) => offset)).toEqual([2]);
      await log.trim(topic, 0, 99);
      expect(await log.bounds(topic, 0)).toEqual({ first: 3, next: 3 });
      await append(log, topic, 0, "d");
      expect((await log.read(topic, 0, 3, 10)).map(({ offset }) => offset)).toEqual([3]);
    });

    test("read is bounded and ends at the end", async () => {
      const topic = await givenTopic(1);
      await log.append(
        topic,
        0,
        Array.from({ length: 50 }, (_, i) => ({ value: Buffer.from(`${i}`) })),
      );
      expect((await log.read(topic, 0, 10, 5)).map(({ offset }) => offset)).toEqual([10, 11, 12, 13, 14]);
      expect(await log.read(topic, 0, 48, 10)).toHaveLength(2);
      expect(await log.read(topic, 0, 50, 10)).toEqual([]);
    });

    test("a compacted topic keeps the last record of each key", async () => {
      const topic = await givenTopic(4, { compacted: true, keyedByTenant: false });
      expect(await log.partitionCount(topic)).toBe(1);
      for (let i = 0; i < 10; i += 1) await log.append(topic, 0, [{ key: `k${i % 2}`, value: Buffer.from(`${i}`) }]);
      const { seen } = await collect(topic);
      await waitFor(() => seen.at(-1)?.offset === 9, { what: "the last record" });
      expect(seen.slice(-2).map(({ text }) => text)).toEqual(["8", "9"]);
    });

    test("another partition count than the topic has is refused", async () => {
      const topic = await givenTopic(2);
      await expect(log.ensureTopics([topic], 3)).rejects.toThrow(/has 2 partitions, 3 are configured/);
      expect(await log.partitionCount(topic)).toBe(2);
    });

    test("several processes may create the same topics at once", async () => {
      const topics = [newTopic(), newTopic({ keyedByTenant: false, compacted: true })];
      const others = await Promise.all([subject.open(), subject.open()]);
      await Promise.all([log, ...others].map((one) => one.ensureTopics(topics, 3)));
      await Promise.all(others.map((one) => one.stop()));
      expect(await Promise.all(topics.map((topic) => log.partitionCount(topic)))).toEqual([3, 1]);
    });

    test("an append to a missing partition is an error, not silence", async () => {
      const topic = await givenTopic(1);
      await expect(append(log, topic, 5, "lost")).rejects.toThrow(/no partition/);
    });

    test("append gives LOG_UNAVAILABLE when the log is down", async () => {
      const down = await subject.openUnreachable();
      await expect(append(down, newTopic(), 0, "x")).rejects.toMatchObject({ code: "LOG_UNAVAILABLE" });
      await down.stop();
    });
  });
}

function createGate(): { readonly promise: Promise<void>; resolve(): void } {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

const CONTINUE: BatchOutcome = { kind: "continue" };

async function append(log: EventLog, topic: Topic, partition: number, text: string): Promise<void> {
  await log.append(topic, partition, [{ key: "k", value: Buffer.from(text) }]);
}

function textsOf({ partition, records }: LogBatch) {
  return records.map(({ offset, value }) => ({ partition, offset, text: value.toString() }));
}
