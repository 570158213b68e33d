import { randomUUID } from "node:crypto";
import { Registry } from "prom-client";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { EventLog } from "#platform/event-log/event-log.js";
import { backoffMs, replaceRandomness } from "#platform/lifecycle/random.js";
import { encodeItem, receivedText } from "#schema/events/usage-received.v2.js";
import { USAGE_RECORDED } from "#schema/topics.js";
import { hasPostgres, waitFor } from "../../../tests/servers/servers.js";
import { createMetrics } from "../metrics.js";
import { decodeRecord } from "../rules/decode-record.js";
import { planSteps } from "../rules/plan-steps.js";
import { readPublished } from "../store/ledger.js";
import { openCursor } from "../store/recording.js";
import { openWorld, publishedEntries, receivedItem, type World } from "../world.testing.js";
import { startPublisher } from "./publisher.js";
import { recordStep } from "./recording.js";

describe.skipIf(!hasPostgres)("publishing", () => {
  let world: World;
  beforeEach(async () => {
    world = await openWorld();
    await openCursor(world.database, 0);
  });
  afterEach(() => world.close());

  async function record(offset: number, ids: readonly string[], data = "{}") {
    const value = Buffer.from(
      receivedText(
        ids.map((id) => encodeItem(receivedItem({ id, data }))),
        0,
      ),
    );
    const [step] = planSteps([{ offset, timestamp: Date.now(), value, decoded: decodeRecord(value, 0, 1) }]);
    if (step === undefined) throw new Error("a record makes a step");
    // Again if the database ended the session, as after a stop of seconds.
    const result = await waitFor(() => recordStep(world, 0, step), { what: "the step to be recorded" });
    if (result.kind !== "recorded") throw new Error("it is recorded");
    return result.blocks;
  }

  function publish(log: Pick<EventLog, "append"> = world.log, errors: unknown[] = []) {
    const publisher = startPublisher({
      database: world.database,
      log: { ...world.log, append: (...args) => log.append(...args) },
      clock: world.clock,
      metrics: createMetrics(new Registry()),
      assigned: () => [0],
      writesColumns: world.writesColumns,
      onError: (error) => errors.push(error),
    });
    // As the recorder does when it takes a partition over.
    publisher.offer(0, []);
    return publisher;
  }

  const published = async () => (await publishedEntries(world.log, 0)).map(({ seq }) => seq);
  const allPublished = (seq: number) =>
    waitFor(async () => (await readPublished(world.database, 0)) === seq, { what: `the cursor to reach ${seq}` });

  test("entries committed but not published before a crash are published by the next process, in order", async () => {
    await record(0, ["a", "b"]);
    await record(1, ["c"]);
    const publisher = publish();
    await allPublished(3);
    await publisher.stop();
    expect(await published()).toEqual([1, 2, 3]);
  });

  test("a crash between the send and the cursor repeats the send and leaves no gap", async () => {
    await record(0, ["a", "b"]);
    const first = publish();
    await allPublished(2);
    await first.stop();
    await world.database.pool.query("UPDATE publisher_cursor SET published = 0");
    await record(1, ["c"]);
    const second = publish();
    await allPublished(3);
    await second.stop();
    expect(await published()).toEqual([1, 2, 1, 2, 3]);
  });

  test("entries in memory are used only where they continue what is published", async () => {
    await record(0, ["a"]);
    const later = await record(1, ["b"]);
    const publisher = publish();
    publisher.offer(0, later);
    await allPublished(2);
    publisher.offer(0, await record(2, ["c"]));
    await allPublished(3);
    await publisher.stop();
    expect(await published()).toEqual([1, 2, 3]);
  });

  test("while the log refuses, nothing is skipped, and the publisher reports since when it is stuck", async () => {
    await record(0, ["a", "b"]);
    let isUp = false;
    const errors: unknown[] = [];
    const publisher = publish(
      { append: (...args) => (isUp ? world.log.append(...args) : Promise.reject(new Error("down"))) },
      errors,
    );
    publisher.offer(0, []);
    await waitFor(() => errors.length > 1, { what: "two refusals" });
    expect(publisher.stuckSince()).toBeDefined();
    isUp = true;
    await allPublished(2);
    await waitFor(() => publisher.stuckSince() === undefined, { what: "the publisher to be stuck no longer" });
    await publisher.stop();
    expect(await published()).toEqual([1, 2]);
  });

  test("under constant load, a send that succeeds ends the back-off", async () => {
    await record(0, ["0"]);
    const restore = replaceRandomness({ fraction: () => 0.123, uuid: randomUUID, orderedUuid: randomUUID });
    const pauses = [1, 2, 3].map((failures) => backoffMs({ firstMs: 100, longestMs: 5_000 }, failures));
    const timers = vi.spyOn(globalThis, "setTimeout");
    let sends = 0;
    const publisher = publish({
      async append(...args) {
        sends += 1;
        if (sends % 2 === 1) throw new Error("down");
        if (sends < 6) await record(sends / 2, [String(sends)]);
        await world.log.append(...args);
      },
    });
    await allPublished(3);
    await publisher.stop();
    restore();
    const taken = timers.mock.calls.map(([, ms]) => ms).filter((ms) => ms !== undefined && pauses.includes(ms));
    timers.mockRestore();
    expect(taken).toEqual([pauses[0], pauses[0], pauses[0]]);
  });

  test("records stay well below the broker's limit, whatever the data", async () => {
    const data = JSON.stringify({ text: '"'.repeat(20_000) });
    for (let offset = 0; offset < 3; offset += 1)
      await record(
        offset,
        Array.from({ length: 15 }, (_, index) => `${offset}-${index}`),
        data,
      );
    const publisher = publish();
    await allPublished(45);
    await publisher.stop();
    const records = await world.log.read(USAGE_RECORDED, 0, 0, 100);
    expect(records.length).toBeGreaterThan(1);
    for (const { value } of records) expect(value.length).toBeLessThan(900_000);
    expect(await published()).toEqual(Array.from({ length: 45 }, (_, index) => index + 1));
  });
});
