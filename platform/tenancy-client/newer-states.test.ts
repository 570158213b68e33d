import path from "node:path";
import { Registry } from "prom-client";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Database, openDatabase } from "#platform/database/database.js";
import { connectPostgresLog } from "#platform/event-log/postgres/log.js";
import { type StoppableLog, withUpgradeStops } from "#platform/event-log/upgrade-stops.js";
import { systemClock } from "#platform/process/clock.js";
import { packageRoot } from "#platform/process/package-root.js";
import { TENANCY_CHANGED } from "#schema/topics.js";
import { createTestDatabase, hasPostgres, type TestDatabase, waitFor } from "../../tests/servers/servers.js";
import { rewriteRecord } from "../../tests/support/rewrite-record.js";
import { followTenancy, type TenancyCopy } from "./copy.js";

const meter = (id: string, version: number, aggregation = "COUNT") => ({
  ...{
    kind: "meter",
    id,
    version,
    name: id,
    eventType: "t",
    aggregation,
    valueProperty: null,
    dimensions: [],
    unit: null,
  },
  ...{ createdInVersion: version, archivedInVersion: null },
});

const zoned = {
  ...{ kind: "tenant", id: "newer", version: 2, name: "Newer", status: "ACTIVE", createdAt: 0, createdInVersion: 2 },
  ...{ billingAnchorDay: 1, startsAt: 0, currency: null, testClock: null, timeZone: "America/New_Zone" },
  ...{ graceDays: [{ days: 3, inVersion: 2 }], assignments: [], closedInVersion: null },
};

describe.skipIf(!hasPostgres)("a copy of tenancy before states of newer code", () => {
  let created: TestDatabase;
  let database: Database;
  let log: StoppableLog;
  let copy: TenancyCopy | undefined;

  beforeEach(async () => {
    created = await createTestDatabase("newer_states");
    database = await openDatabase({
      ...{
        url: created.url,
        migrationsDir: path.join(packageRoot(), "prisma/log/migrations"),
        onError: () => undefined,
      },
    });
    log = withUpgradeStops(await connectPostgresLog({ database, onError: () => undefined }), new Registry());
    await log.ensureTopics([TENANCY_CHANGED], 1);
  });
  afterEach(async () => {
    await copy?.stop();
    copy = undefined;
    await log.stop();
    await database.stop();
    await created.drop();
  });

  const publish = (state: { kind: string; id: string }) =>
    log.append(TENANCY_CHANGED, 0, [{ key: `${state.kind}:${state.id}`, value: Buffer.from(JSON.stringify(state)) }]);
  const follow = () => followTenancy({ log, group: "copy", clock: systemClock, onError: () => undefined });

  test.each([
    ["an aggregation", meter("newer", 2, "MEDIAN"), 'the aggregation "MEDIAN"'],
    ["a time zone", zoned, 'the time zone "America/New_Zone"'],
    ["a kind of state", { kind: "creditGrant", id: "newer", version: 2 }, 'the kind of state "creditGrant"'],
    ["a version", { ...meter("newer", 2), schema: "metrly.tenancy.changed.v2" }, "metrly.tenancy.changed.v2"],
  ])("%s it does not know holds the copy at the version before, until the code knows it", async (_, newer, what) => {
    copy = await follow();
    await publish(meter("before", 1));
    await publish(newer);
    await publish(meter("after", 3));
    await waitFor(() => log.waitingForUpgrade().length > 0, { what: "the copy to wait" });
    expect(log.waitingForUpgrade()[0]).toContain("tenancy.changed/0 offset 1: upgrade this process");
    expect(log.waitingForUpgrade()[0]).toContain(what);
    expect([copy.version(), copy.meter("after")]).toEqual([1, undefined]);

    await rewriteRecord(database, TENANCY_CHANGED, { partition: 0, offset: 1 }, JSON.stringify(meter("newer", 2)));
    await copy.reached(3);
    expect(copy.meter("newer")?.version).toBe(2);
    await waitFor(() => log.waitingForUpgrade().length === 0, { what: "nothing to wait" });
  });

  test("a process does not start on states that it can't read: its answers would be wrong", async () => {
    await publish(meter("newer", 2, "MEDIAN"));
    await expect(follow()).rejects.toThrow("upgrade this process");
  });

  test("a state that is declared ancillary is passed over, its version reached", async () => {
    await publish({ kind: "label", id: "l", version: 4, ancillary: true } as { kind: string; id: string });
    copy = await follow();
    expect(copy.version()).toBe(4);
  });
});
