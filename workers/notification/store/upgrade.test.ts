import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { openDatabase } from "#platform/database/database.js";
import { migrationsDirOf } from "#platform/process/package-root.js";
import { createTestDatabase } from "../../../tests/servers/servers.js";
import type { Notice } from "../rules/notice.js";
import { announce } from "./notices.js";

const ADDED = "20261128170500_sequences";

test("what was stored before is numbered in its order, and what comes goes on from there", async () => {
  const created = await createTestDatabase("notification_upgrade");
  const dir = await mkdtemp(path.join(tmpdir(), "metrly-migrations-"));
  const all = migrationsDirOf("notification");
  for (const name of await readdir(all))
    if (name < ADDED) await cp(path.join(all, name), path.join(dir, name), { recursive: true });
  const options = { url: created.url, onError: () => undefined };
  const old = await openDatabase({ ...options, migrationsDir: dir });
  await old.pool.query("INSERT INTO tenant_stream VALUES ('acme', 3)");
  await old.pool.query(
    "INSERT INTO webhook_endpoint (tenant_id, id, url, event_types) VALUES ('acme', 'e', 'https://x', '{quota.warning}')",
  );
  const types = ["quota.warning", "invoice.generated", "quota.exceeded"];
  for (const [at, type] of types.entries()) {
    const number = at + 1;
    await old.pool.query(
      "INSERT INTO notice (tenant_id, number, event_id, type, time, data) VALUES ('acme', $1, $2, $3, now(), '{}')",
      [number, `n${number}`, type],
    );
    await old.pool.query(
      `INSERT INTO webhook_delivery (tenant_id, id, endpoint_id, event_id, event_type, payload, next_attempt_at)
       VALUES ('acme', 'd' || $1, 'e', 'n' || $1, 'quota.warning', '{}', now())`,
      [String(number)],
    );
  }
  await old.stop();

  const database = await openDatabase({ ...options, migrationsDir: all });
  const next = { type: "quota.warning", tenantId: "acme", eventId: "n4", time: "2026-11-24T00:00:00Z", data: {} };
  await database.transaction((tx) => announce(tx, [next as unknown as Notice]));
  const { rows } = await database.pool.query<{ sequence: number }>("SELECT sequence FROM notice ORDER BY number");
  expect(rows.map(({ sequence }) => sequence)).toEqual([1, 1, 2, 3]);
  const sent = await database.pool.query<{ n: number }>(
    "SELECT endpoint_sequence AS n FROM webhook_delivery ORDER BY endpoint_sequence",
  );
  expect(sent.rows.map(({ n }) => n)).toEqual([1, 2, 3, 4]);
  await database.stop();
  await created.drop();
  await rm(dir, { recursive: true });
});
