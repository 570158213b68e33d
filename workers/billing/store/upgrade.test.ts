import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { openDatabase } from "#platform/database/database.js";
import { migrationsDirOf } from "#platform/process/package-root.js";
import { createTestDatabase } from "../../../tests/servers/servers.js";
import { invoicedAmounts } from "./invoices.js";

const ADDED = "20261128164000_invoiced_quantities";

test("lines that were invoiced before have the quantities of their documents", async () => {
  const created = await createTestDatabase("billing_upgrade");
  const dir = await mkdtemp(path.join(tmpdir(), "metrly-migrations-"));
  for (const name of await readdir(migrationsDirOf("billing")))
    if (name < ADDED) await cp(path.join(migrationsDirOf("billing"), name), path.join(dir, name), { recursive: true });
  const options = { url: created.url, onError: () => undefined };
  const old = await openDatabase({ ...options, migrationsDir: dir });
  const document = JSON.stringify({ lines: [{ quantity: "1" }, { quantity: "-0.000000000001" }] });
  await old.pool.query("INSERT INTO invoice VALUES ('acme', 1, 0, 'EUR', 3, 'hash', $1, 0)", [document]);
  await old.pool.query(
    `INSERT INTO invoice_line (tenant_id, invoice_ordinal, position, for_period, for_kind, for_price, amount)
     VALUES ('acme', 1, 1, 0, 'RECURRING', -1, 2), ('acme', 1, 2, 0, 'USAGE', 0, 1)`,
  );
  await old.stop();

  const database = await openDatabase({ ...options, migrationsDir: migrationsDirOf("billing") });
  const invoiced = await invoicedAmounts(database.pool, [{ tenantId: "acme", start: 0 }]);
  expect(invoiced.map(({ kind, quantity }) => [kind, quantity.toFixed()]).sort()).toEqual([
    ["RECURRING", "1"],
    ["USAGE", "-0.000000000001"],
  ]);
  await expect(database.pool.query("UPDATE invoice_line SET quantity = 0")).rejects.toThrow("closed for good");
  await database.stop();
  await created.drop();
  await rm(dir, { recursive: true });
});
