import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createMigratedDatabase } from "../../servers/migrated.js";
import { hasPostgres, type TestDatabase } from "../../servers/servers.js";
import { createEndpoints } from "../receivers.js";
import { connectServer, type Server } from "../server.js";
import { plansOf } from "../terms/plans.js";
import { judgeAttempts, numberNotes } from "./attempts.js";
import { createHistory } from "./history.js";
import type { Judged } from "./judged.js";

const ENDPOINT = "tenant_id = '' AND id = 'whe_operators'";
const DELIVERIES = `INSERT INTO webhook_delivery (tenant_id, id, endpoint_id, event_id, event_type, payload, next_attempt_at, endpoint_sequence)
  SELECT '', 'd' || n, 'whe_operators', 'e' || n, 'quota.warning', '{}', '2026-02-04', n FROM generate_series(1, 2) n`;
const NOTICE = `INSERT INTO notice (tenant_id, number, event_id, type, time, data)
  VALUES ('', 1, 'endpoint-disabled:whe_operators:d2:9', 'webhook.endpoint.disabled', '2026-02-10', '{}')`;
/** Both at about the same time, six days before the end. */
const noted = (delivery: string, error: string): string =>
  `INSERT INTO webhook_attempt (tenant_id, delivery_id, number, at, duration_ms, error) VALUES ('', '${delivery}', 1, '2026-02-04', 0, ${error})`;

describe.skipIf(!hasPostgres)("the judge of attempts", () => {
  let database: TestDatabase;
  let server: Server;
  beforeAll(async () => {
    database = await createMigratedDatabase("notification");
    server = await connectServer(database.url);
    await numberNotes(server.ask);
  });
  afterAll(async () => {
    await server?.stop();
    await database?.drop();
  });

  const nothing = (): readonly never[] => [];
  const judged = (): Judged => {
    const { ask } = server;
    const databases = { ingestion: ask, billing: ask, quota: ask, notification: ask };
    const outside = { published: nothing, announced: nothing, alerts: nothing, received: nothing, leaps: nothing };
    const known = { history: createHistory(), planOf: plansOf(false), invoices: new Map<string, string>() };
    return { ...databases, ...outside, ...known, quietSince: () => 0, areClocksRight: () => true };
  };

  /** One of two processes notes what became of its attempt, while the other one waits for the endpoint. */
  async function note(first: string, second: string): Promise<void> {
    await server.reset();
    await createEndpoints(server);
    await server.ask(DELIVERIES);
    await server.ask(NOTICE);
    const [one, other] = [await server.open(), await server.open()];
    const wentOn: unknown[] = [];
    const run = (session: typeof one, text: string) => session.run({ text }, (answer) => void wentOn.push(answer));
    await run(one, "BEGIN");
    await run(other, "BEGIN");
    await run(one, `SELECT 1 FROM webhook_endpoint WHERE ${ENDPOINT} FOR SHARE`);
    expect(
      await run(other, `UPDATE webhook_endpoint SET failures_in_a_row = 1 WHERE ${ENDPOINT}`),
      "it waits for the endpoint",
    ).toBeUndefined();
    await run(one, first);
    await run(one, "COMMIT");
    expect(wentOn).toHaveLength(1);
    await run(other, second);
    await run(other, "COMMIT");
    await one.end();
    await other.end();
  }

  test("knows that a failure was noted after the success that it waited for", async () => {
    await note(noted("d1", "NULL"), noted("d2", "'the receiver answered 503'"));
    expect(await judgeAttempts(judged())).toEqual([]);
  });

  test("does not take a failure before the last success for one that goes on", async () => {
    await note(noted("d2", "'the receiver answered 503'"), noted("d1", "NULL"));
    expect(await judgeAttempts(judged())).toEqual([
      "whe_operators is disabled, and its receiver is neither gone nor has failed for five days",
    ]);
  });
});
