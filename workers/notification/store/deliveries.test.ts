import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Database } from "#platform/database/database.js";
import { hasPostgres, waitFor } from "../../../tests/servers/servers.js";
import type { AttemptResult } from "../rules/retry.js";
import { openServiceDatabase } from "../world.testing.js";
import { claimDue, finishAttempt } from "./deliveries.js";

const TAKEN: AttemptResult = {
  ...{ startedAt: Date.now(), durationMs: 1, responseStatus: 200, error: undefined, responseBody: "" },
  ...{ retryAfterMs: undefined, isPermanent: false },
};

describe.skipIf(!hasPostgres)("notes of attempts", () => {
  let world: Awaited<ReturnType<typeof openServiceDatabase>>;
  let database: Database;
  beforeAll(async () => {
    world = await openServiceDatabase("deliveries");
    database = await world.connect();
  });
  afterAll(() => world.drop());

  async function waitingForLocks(): Promise<number> {
    const { rows } = await database.pool.query<{ n: number }>(
      "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    );
    return rows[0]?.n ?? 0;
  }

  async function claim(endpointId: string, deliveries: number) {
    await database.pool.query(
      "INSERT INTO webhook_endpoint (tenant_id, id, url, event_types) VALUES ('acme', $1, 'https://x', '{}')",
      [endpointId],
    );
    await database.pool.query(
      `INSERT INTO webhook_delivery (tenant_id, id, endpoint_id, event_id, event_type, payload, next_attempt_at)
       SELECT 'acme', $1 || n, $1, 'e' || n, 'quota.warning', '{}', now() FROM generate_series(1, $2::int) n`,
      [endpointId, deliveries],
    );
    return claimDue(database, { tenantId: "acme", endpointId }, deliveries, 60_000);
  }

  test.each([1, 3])("a failure whose note is not committed yet does not outlive %i later successes", async (n) => {
    const endpointId = `outlived-${n}`;
    const claimed = await claim(endpointId, n);
    const frozen = await database.pool.connect();
    await frozen.query("BEGIN");
    await frozen.query("UPDATE webhook_endpoint SET failing_since = now(), failures_in_a_row = 1 WHERE id = $1", [
      endpointId,
    ]);
    const noted = claimed.map((one) => finishAttempt(database, one, TAKEN, { kind: "delivered" }, () => 0));
    const isNoted = Promise.all(noted).then(() => true);
    await waitFor(async () => (await Promise.race([isNoted, false])) || (await waitingForLocks()) === n, {
      what: "the successes to be noted, or to wait",
    });
    await frozen.query("COMMIT");
    frozen.release();
    expect(await isNoted).toBe(true);
    const { rows } = await database.pool.query(
      `SELECT failing_since, failures_in_a_row,
         (SELECT count(*)::int FROM webhook_delivery WHERE endpoint_id = e.id AND status = 'DELIVERED') AS delivered
       FROM webhook_endpoint e WHERE id = $1`,
      [endpointId],
    );
    expect(rows).toEqual([{ failing_since: null, failures_in_a_row: 0, delivered: n }]);
  });

  test("successes don't wait for each other", async () => {
    const [first, second] = await claim("parallel", 2);
    if (first === undefined || second === undefined) throw new Error("two leases must be granted");
    const open = await database.pool.connect();
    await open.query("BEGIN");
    await open.query("SELECT FROM webhook_endpoint WHERE id = 'parallel' FOR SHARE");
    await finishAttempt(database, first, TAKEN, { kind: "delivered" }, () => 0);
    await finishAttempt(database, second, TAKEN, { kind: "delivered" }, () => 0);
    await open.query("ROLLBACK");
    open.release();
  });
});
