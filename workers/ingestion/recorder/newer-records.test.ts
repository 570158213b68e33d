import { Registry } from "prom-client";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { partitionOf } from "#kernel/partition.js";
import { type StoppableLog, withUpgradeStops } from "#platform/event-log/upgrade-stops.js";
import { USAGE_RECEIVED } from "#schema/topics.js";
import { hasPostgres, waitFor } from "../../../tests/servers/servers.js";
import { rewriteRecord } from "../../../tests/support/rewrite-record.js";
import { readLedger } from "../store/ledger.js";
import { appendItems, openWorld, receivedItem, rowsOf, startService, type World } from "../world.testing.js";

const PARTITIONS = 2;
const tenantIn = (partition: number): string => {
  for (let n = 0; ; n += 1) if (partitionOf(`t${n}`, PARTITIONS) === partition) return `t${n}`;
};

describe.skipIf(!hasPostgres)("the recorder before records of newer code", () => {
  let world: World;
  let log: StoppableLog;
  let metrics: Registry;
  let service: Awaited<ReturnType<typeof startService>>;

  beforeEach(async () => {
    world = await openWorld({ partitions: PARTITIONS });
    metrics = new Registry();
    log = withUpgradeStops(world.log, metrics);
  });
  afterEach(async () => {
    await service.stop();
    await world.close();
  });

  const append = (partition: number, id: string) =>
    appendItems(world.log, partition, [receivedItem({ id, tenantId: tenantIn(partition) })]);
  const recorded = async (partition: number): Promise<string[]> => {
    const { entries } = await readLedger(world.database, { partition, from: 1, limit: 100 });
    return entries.flatMap((entry) => (entry.kind === "event" ? [entry.id] : []));
  };
  const recordedIs = (partition: number, ids: readonly string[]) =>
    waitFor(async () => (await recorded(partition)).join() === ids.join(), { what: `${ids} in ${partition}` });

  test.each([
    ["a control record", '{"kind":"freeze","tenantId":"acme"}', 'the control record "freeze"'],
    ["a version", '{"schema":"metrly.usage.received.v3","items":[]}', 'the version "metrly.usage.received.v3"'],
    ["an encoding", "\u0003\u0003\u0004", 'the encoding "3"'],
    ["a version of columns", "\u0002\u0003\u0004", 'the encoding "columns.3"'],
  ])("%s it does not know stops its partition, and that alone, until the code knows it", async (_, newer, what) => {
    await append(0, "before");
    await world.log.append(USAGE_RECEIVED, 0, [{ value: Buffer.from(newer) }]);
    await append(0, "after");
    service = await startService(world, { log });
    await waitFor(() => log.waitingForUpgrade().length > 0, { what: "the partition to wait" });
    expect(log.waitingForUpgrade()).toEqual([
      expect.stringContaining(`ingestion-recorder waits at usage.received/0 offset 1: upgrade this process: `),
    ]);
    expect(log.waitingForUpgrade()[0]).toContain(what);
    expect(await metrics.metrics()).toContain(
      'metrly_upgrade_required_partitions{topic="usage.received",group="ingestion-recorder"} 1',
    );
    await append(1, "elsewhere");
    await recordedIs(1, ["elsewhere"]);
    expect(await recorded(0)).toEqual(["before"]);
    expect(await rowsOf(world.database, "SELECT * FROM poison_record")).toEqual([]);

    await rewriteRecord(world.logDatabase, USAGE_RECEIVED, { partition: 0, offset: 1 }, '{"kind":"tick","at":0}');
    await recordedIs(0, ["before", "after"]);
    await waitFor(() => log.waitingForUpgrade().length === 0, { what: "no partition to wait" });
    expect(await metrics.metrics()).not.toContain('topic="usage.received"');
  });
});
