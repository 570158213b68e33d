import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import { type Database, openDatabase } from "#platform/database/database.js";
import { migrationsDirOf } from "#platform/process/package-root.js";
import { createTestDatabase } from "../../tests/servers/servers.js";
import { buildMeasured, runMeasured, startServer } from "../support/processes.js";
import { report, round } from "../support/report.js";
import { createScanned, fill, PARTITIONS, scanOf, useOneProcess } from "./ledger.js";
import type { RebuildMeasured } from "./rebuild-once.js";

/** `metrly rebuild` against PostgreSQL's own scan and GROUP BY of the same events. Needs `DATABASE_URL`. */
const { values: options } = parseArgs({
  options: {
    events: { type: "string", default: "1000000,10000000" },
    "profile-dir": { type: "string", default: "" },
  },
});
const secret = randomUUID() + randomUUID();

/** Seconds of one serial scan with GROUP BY, over events as received and over columns. */
async function scans(database: Database): Promise<{ json: number; columns: number }> {
  await createScanned(database);
  const client = await database.pool.connect();
  try {
    await useOneProcess(client);
    const seconds = async (region: string, model: string, tokens: string, table: string): Promise<number> => {
      const start = performance.now();
      await client.query(scanOf({ region, model, tokens, table }));
      return (performance.now() - start) / 1000;
    };
    const [json, columns] = [
      () => seconds("data->>'region'", "data->>'model'", "(data->>'tokens')::numeric", "event"),
      () => seconds("region", "model", "tokens", "event_columns"),
    ];
    await json();
    await columns();
    return { json: await json(), columns: await columns() };
  } finally {
    client.release();
  }
}

async function rebuildOf(count: number): Promise<void> {
  const [ledger, billing] = [await createTestDatabase("ledger"), await createTestDatabase("billing")];
  const database = await openDatabase({
    ...{ url: ledger.url, migrationsDir: migrationsDirOf("ingestion"), onError: () => undefined },
  });
  const profileDir = options["profile-dir"];
  try {
    await fill(database, count);
    const server = await startServer(
      "billing/server-ledger",
      { url: ledger.url, partitions: PARTITIONS, secret },
      profileDir || undefined,
    );
    const run = async (checkOnly: boolean): Promise<RebuildMeasured> => {
      const args = { port: server.port, url: billing.url, partitions: PARTITIONS, secret, checkOnly };
      return JSON.parse(
        await runMeasured("billing/rebuild-once", [JSON.stringify(args)], { profileDir: profileDir || undefined }),
      );
    };
    // The first run puts its result in place of live usage; the second rebuilds and compares it.
    await run(false);
    const measured = await run(true);
    if (measured.differences !== 0 || measured.events !== count) throw new Error(JSON.stringify(measured));
    await server.stop();
    const { json, columns } = await scans(database);
    report(`rebuilding ${count} events, COUNT and SUM with two dimensions`, {
      ...{ seconds: round(measured.seconds, 1), eventsPerSecond: round(count / measured.seconds) },
      ...{ ofScanOfJson: round(json / measured.seconds, 2), ofScanOfColumns: round(columns / measured.seconds, 2) },
      ...{ peakRssMb: round(measured.peakRssMb), cells: measured.cells },
    });
  } finally {
    await database.stop();
    await Promise.all([ledger.drop(), billing.drop()]);
  }
}

await buildMeasured();
for (const count of options.events.split(",")) await rebuildOf(Number(count));
