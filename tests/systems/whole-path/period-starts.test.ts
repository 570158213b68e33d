import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DAY_MS, HOUR_MS } from "#kernel/duration.js";
import { partitionOf } from "#kernel/partition.js";
import { serviceIdentity } from "#platform/auth/identity.js";
import { IDENTITY_HEADER, QUOTA_RECONCILE_PATH } from "#platform/auth/internal-api.js";
import { type Database, openDatabase } from "#platform/database/database.js";
import { createLedgerClient } from "#platform/ledger/client.js";
import { readCursor } from "../../../workers/ingestion/store/recording.js";
import { appendItems, identityTokens, receivedItem, startService } from "../../../workers/ingestion/world.testing.js";
import { openWorld, type StartedService, type World } from "../../../workers/quota/world.testing.js";
import { createMigratedDatabase } from "../../servers/migrated.js";
import { hasPostgres, type TestDatabase, waitFor } from "../../servers/servers.js";

const TENANT = "jumpy";
const PARTITION = partitionOf(TENANT, 2);

describe.skipIf(!hasPostgres)("the ledger of recorders of several releases, whose clocks are wrong", () => {
  let created: TestDatabase;
  let recorded: Database;
  let world: World;
  let ingestion: Awaited<ReturnType<typeof startService>>;
  let quota: StartedService;
  let clockOff = 0;
  let count = 0;

  beforeAll(async () => {
    created = await createMigratedDatabase("ingestion");
    recorded = await openDatabase({ url: created.url, onError: () => undefined });
    let address = "";
    world = await openWorld({ ledger: createLedgerClient(() => address, identityTokens, "quota") });
    const clock = { now: () => Date.now() + clockOff };
    ingestion = await startService({ clock, log: world.log, tenancy: world.tenancy, url: created.url });
    address = await ingestion.app.listen({ host: "127.0.0.1", port: 0 });
    world.meter("calls");
    world.plan("both", [{ limit: "100" }, { limit: "70", window: "CALENDAR_MONTH" }]);
    world.tenant(TENANT, "both");
    quota = await world.startService();
  });
  afterAll(async () => {
    await quota?.stop();
    await ingestion?.stop();
    await world?.close();
    await recorded?.stop();
    await created?.drop();
  });

  const cursor = () => readCursor(recorded.pool, PARTITION);

  async function record(time: number): Promise<void> {
    const { seq } = await cursor();
    count += 1;
    const item = { id: `e${count}`, tenantId: TENANT, type: "use.calls", time, receivedAt: time };
    await appendItems(world.log, PARTITION, [receivedItem(item)]);
    await waitFor(async () => (await cursor()).seq > seq, { what: "it to be recorded" });
  }

  /** Leaves what a recorder leaves that does not know `ledger_reach`. */
  async function recordAsBefore(time: number): Promise<void> {
    const { reachedHour, reachedSeq } = await cursor();
    await record(time);
    await recorded.pool.query("DELETE FROM ledger_reach WHERE hour_ms > $1", [reachedHour]);
    await recorded.pool.query(
      "UPDATE recorder_cursor SET reached_hour_ms = $2, reached_seq = $3 WHERE partition = $1",
      [...[PARTITION, reachedHour, reachedSeq]],
    );
  }

  async function reconcile() {
    const applied = "SELECT seq FROM high_water_mark WHERE partition = $1";
    await waitFor(
      async () => (await world.database.pool.query(applied, [PARTITION])).rows[0]?.seq === (await cursor()).seq,
      { what: "usage to be applied" },
    );
    const { body } = await quota.app.inject({
      method: "POST",
      url: `${QUOTA_RECONCILE_PATH}?tenantId=${TENANT}`,
      headers: { [IDENTITY_HEADER]: await world.identityTokens.sign(serviceIdentity("cli"), "quota") },
    });
    const steps: { kind: string; events?: number }[] = body
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    return {
      differences: steps.filter(({ kind }) => kind === "difference"),
      events: steps.find(({ kind }) => kind === "done")?.events,
    };
  }

  /** So long ago, or at the month's start: the comparison begins there. */
  function inThisMonth(agoMs: number): number {
    const now = new Date();
    return Math.max(now.getTime() - agoMs, Date.UTC(now.getUTCFullYear(), now.getUTCMonth()));
  }

  test("hides no usage from the comparison with the counters, and what is before is not read", async () => {
    await record(Date.now() - 80 * DAY_MS);
    await record(Date.now() - 79 * DAY_MS);
    for (const daysOff of [0, -40, 40]) {
      clockOff = daysOff * DAY_MS;
      await recordAsBefore(inThisMonth(2 * HOUR_MS));
      await recordAsBefore(inThisMonth(HOUR_MS));
      // While the older one still runs.
      expect(await reconcile()).toEqual({ differences: [], events: count - 2 });
      await record(Date.now());
      expect(await reconcile()).toEqual({ differences: [], events: count - 2 });
    }
  });
});
