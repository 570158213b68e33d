import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MetrlyError } from "#kernel/errors.js";
import type { LogRecord } from "#platform/event-log/event-log.js";
import { hasPostgres, waitFor } from "../../../tests/servers/servers.js";
import { apiKeyState, openWorld, startService, tenantState, type World } from "../world.testing.js";
import { type BacklogOptions, followBacklog } from "./backlog.js";

const HOUR_MS = 3_600_000;
const RECORD_BYTES = 100;

/** A log of two partitions whose records have 100 bytes, and the cursors of its recorders. */
function givenBacklog(changed: Partial<BacklogOptions> = {}) {
  const ends = [1_000, 0];
  const state = { cursors: new Map([[0, 1_000]]), isDatabaseUp: true, free: 100_000, errors: 0 };
  const backlog = followBacklog({
    log: {
      bounds: async (_, partition) => ({ first: partition === 0 ? 500 : 0, next: ends[partition] ?? 0 }),
      read: async (_, __, offset): Promise<LogRecord[]> => [
        { offset, key: undefined, value: Buffer.alloc(RECORD_BYTES), timestamp: 0 },
      ],
    },
    ...{ partitionCount: 2, maxBytes: 10_000, everyMs: HOUR_MS },
    async cursors() {
      if (!state.isDatabaseUp) throw new Error("the database is down");
      return state.cursors;
    },
    disk: { free: async () => state.free, minFreeBytes: 100 },
    onError: () => {
      state.errors += 1;
    },
    ...changed,
  });
  const code = () => {
    try {
      backlog.assertRoom();
      return "room";
    } catch (error) {
      return error instanceof MetrlyError ? error.code : error;
    }
  };
  return { backlog, ends, state, code };
}

/** A log of two partitions whose records have any sizes. */
function givenLog(changed: Pick<BacklogOptions, "maxBytes" | "disk">) {
  const logs: number[][] = [[], []];
  const cursors = new Map([
    [0, 0],
    [1, 0],
  ]);
  let reads = 0;
  const { backlog, code } = givenBacklog({
    log: {
      bounds: async (_, partition) => ({ first: 0, next: logs[partition]?.length ?? 0 }),
      read: async (_, partition, offset): Promise<LogRecord[]> => {
        reads += 1;
        const size = logs[partition]?.[offset];
        return size === undefined ? [] : [{ offset, key: undefined, value: Buffer.alloc(size), timestamp: 0 }];
      },
    },
    cursors: async () => new Map(cursors),
    disk: undefined,
    ...changed,
  });
  return {
    ...{ backlog, code },
    reads: () => reads,
    /** Appends, and looks then. */
    append(partition: number, records: number, size: number): Promise<void> {
      for (let n = 0; n < records; n += 1) logs[partition]?.push(size);
      backlog.appended(records * size);
      reads = 0;
      return backlog.look();
    },
    record: (partition: number, records: number) => cursors.set(partition, (cursors.get(partition) ?? 0) + records),
    forget(partition: number) {
      logs[partition] = [];
      cursors.set(partition, 0);
    },
    waits: () =>
      logs.reduce((sum, log, partition) => log.slice(cursors.get(partition)).reduce((all, size) => all + size, sum), 0),
  };
}

describe("the backlog", () => {
  test("is full at its limit, over all partitions, and has room again when a tenth of it is recorded", async () => {
    const { backlog, ends, state, code } = givenBacklog();
    await backlog.look();
    expect([backlog.bytes(), code()]).toEqual([0, "room"]);
    ends[0] = 1_060;
    ends[1] = 39;
    await backlog.look();
    expect([backlog.bytes(), code()]).toEqual([9_900, "room"]);
    ends[1] = 40;
    await backlog.look();
    expect([backlog.bytes(), code()]).toEqual([10_000, "BUSY"]);
    state.cursors = new Map([[0, 1_009]]);
    await backlog.look();
    expect([backlog.bytes(), code()]).toEqual([9_100, "BUSY"]);
    state.cursors = new Map([[0, 1_011]]);
    await backlog.look();
    expect([backlog.bytes(), code()]).toEqual([8_900, "room"]);
    await backlog.stop();
  });

  test("counts what this process appends at once", async () => {
    const { backlog, ends, code } = givenBacklog();
    await backlog.look();
    backlog.appended(9_999);
    expect([backlog.bytes(), code()]).toEqual([9_999, "room"]);
    backlog.appended(1);
    expect(code()).toBe("BUSY");
    ends[0] = 1_010;
    await backlog.look();
    expect([backlog.bytes(), code()]).toEqual([1_000, "room"]);
    await backlog.stop();
  });

  test("is measured from the last known cursors while the database does not answer", async () => {
    const { backlog, ends, state, code } = givenBacklog();
    await backlog.look();
    state.isDatabaseUp = false;
    ends[0] = 1_100;
    await backlog.look();
    expect([backlog.bytes(), code(), state.errors > 0]).toEqual([10_000, "BUSY", true]);
    await backlog.stop();
  });

  test("knows how large the records are that wait, whatever was sent before", async () => {
    const { backlog, append, record, waits, code } = givenLog({ maxBytes: 10_000_000 });
    await append(0, 20_000, 200);
    record(0, 20_000);
    await backlog.look();
    let large = 0;
    for (; code() === "room" && large < 30; large += 1) await append(0, 1, 700_000);
    expect(waits()).toBeLessThan(11_000_000);
    record(0, large);
    await append(0, 10_000, 200);
    expect([waits(), backlog.bytes(), code()]).toEqual([2_000_000, 2_000_000, "room"]);
    await append(0, 10, 700_000);
    expect([waits(), backlog.bytes()]).toEqual([9_000_000, 9_000_000]);
    await append(0, 10_000, 50);
    expect([waits(), backlog.bytes()]).toEqual([9_500_000, 9_500_000]);
    await backlog.stop();
  });

  test("does not take the small records of a partition that stands still for large ones of others", async () => {
    const { backlog, append, record, waits, code } = givenLog({ maxBytes: 10_000_000 });
    for (let n = 0; n < 500; n += 1) {
      await append(0, 10, 40);
      await append(1, 10, 100_000);
      record(1, 10);
    }
    await append(1, 1, 100_000);
    expect([waits(), backlog.bytes(), code()]).toEqual([300_000, 300_000, "room"]);
    await backlog.stop();
  });

  test("begins anew with another log, and where a cursor was set back", async () => {
    const { backlog, append, record, forget, waits } = givenLog({ maxBytes: 1_000_000 });
    await append(0, 10, 1_000);
    record(0, 10);
    await append(0, 10, 1_000);
    record(0, -10);
    await backlog.look();
    expect([waits(), backlog.bytes()]).toEqual([20_000, 20_000]);
    forget(0);
    await append(0, 5, 100);
    expect([waits(), backlog.bytes()]).toEqual([500, 500]);
    await backlog.stop();
  });

  test("reads few records while it cannot be full", async () => {
    const { backlog, append, reads } = givenLog({ maxBytes: 1_000_000_000 });
    await append(0, 500, 1_000);
    await append(1, 900, 1_000);
    expect([backlog.bytes(), reads()]).toEqual([1_400_000, 3]);
    await backlog.stop();
  });

  test("has no room on a disk that is nearly full, or would be once what waits is recorded", async () => {
    const { backlog, ends, state, code } = givenBacklog();
    const withFree = async (free: number) => {
      state.free = free;
      await backlog.look();
      return code();
    };
    expect([await withFree(99), await withFree(100)]).toEqual(["BUSY", "room"]);
    ends[0] = 1_010;
    expect([await withFree(2_099), await withFree(2_100)]).toEqual(["BUSY", "room"]);
    await backlog.stop();
  });

  test("has no room for large records of one partition beside more small ones of another", async () => {
    const disk = { free: async () => 300_000_000, minFreeBytes: 100 };
    const { backlog, append, waits, code } = givenLog({ maxBytes: 1e12, disk });
    await append(0, 5_000, 300);
    expect(code()).toBe("room");
    await append(1, 400, 700_000);
    expect([waits(), backlog.bytes(), code()]).toEqual([281_500_000, 281_500_000, "BUSY"]);
    await backlog.stop();
  });

  test("is bounded though the disk cannot be asked", async () => {
    const free = () => Promise.reject(new Error("no such folder"));
    const { backlog, ends, state, code } = givenBacklog({ disk: { free, minFreeBytes: 100 } });
    backlog.appended(20_000);
    ends[0] = 1_010;
    await backlog.look();
    expect([backlog.bytes(), code(), state.errors > 0]).toEqual([1_000, "room", true]);
    await backlog.stop();
  });
});

describe.skipIf(!hasPostgres)("an edge whose recorder stands still", () => {
  let world: World;
  let service: Awaited<ReturnType<typeof startService>>;
  const key = apiKeyState("acme");

  beforeAll(async () => {
    world = await openWorld();
    for (const state of [key.state, tenantState("acme")]) world.apply(state);
    service = await startService(world, { maxBacklogBytes: 100_000 });
  });
  afterAll(async () => {
    await service.stop();
    await world.close();
  });

  test("acknowledges usage up to the limit, refuses it beyond, and everything drains afterwards", async () => {
    let sent = 0;
    const send = async () => {
      const events = Array.from({ length: 50 }, (_, n) => {
        const data = { note: "x".repeat(100) };
        return { specversion: "1.0", id: `e${sent}-${n}`, source: "test", type: "api.request", data };
      });
      const { statusCode, headers, body } = await service.app.inject({
        ...{ method: "POST", url: "/v1/events", payload: JSON.stringify(events) },
        headers: { authorization: `Bearer ${key.secret}`, "content-type": "application/cloudevents-batch+json" },
      });
      if (statusCode === 202) sent += 1;
      return { status: statusCode, retryAfter: headers["retry-after"], code: JSON.parse(body).code };
    };
    const recorded = async () => {
      const { rows } = await world.database.pool.query<{ events: number }>(
        "SELECT coalesce(sum(events), 0)::int AS events FROM recorder_cursor",
      );
      return rows[0]?.events ?? 0;
    };
    expect(await send()).toMatchObject({ status: 202 });
    await waitFor(async () => (await recorded()) === 50, { what: "the first events to be recorded" });

    const { tx, rollback } = await world.database.begin();
    await tx.query("SELECT 1 FROM recorder_cursor FOR UPDATE");
    const refused = await waitFor(
      async () => {
        const answer = await send();
        return answer.status === 202 ? undefined : answer;
      },
      { what: "a refusal" },
    );
    expect(refused).toEqual({ status: 503, retryAfter: "1", code: "BUSY" });
    // About 130 bytes of each event wait.
    expect(sent * 50).toBeGreaterThan(500);
    await rollback();

    await waitFor(async () => (await send()).status === 202, { what: "room" });
    await waitFor(async () => (await recorded()) === sent * 50, { what: "everything to be recorded" });
  });
});
