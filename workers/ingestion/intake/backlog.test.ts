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
  const state = { cursors: new Map([[0, 1_000]]), isDatabaseUp: true, free: 1_000, errors: 0 };
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

  test("counts what this process appends at once, and by it how large records are", async () => {
    const { backlog, ends, code } = givenBacklog();
    await backlog.look();
    backlog.appended(99, 9_999);
    expect([backlog.bytes(), code()]).toEqual([9_999, "room"]);
    backlog.appended(1, 1);
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

  test("has no room on a disk that is nearly full", async () => {
    const { backlog, state, code } = givenBacklog();
    state.free = 99;
    await backlog.look();
    expect(code()).toBe("BUSY");
    state.free = 100;
    await backlog.look();
    expect(code()).toBe("room");
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
