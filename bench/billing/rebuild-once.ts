import { createIdentityTokens } from "#platform/auth/identity.js";
import { openDatabase } from "#platform/database/database.js";
import { createLedgerClient } from "#platform/ledger/client.js";
import { systemClock } from "#platform/process/clock.js";
import { migrationsDirOf } from "#platform/process/package-root.js";
import { createTenancyState } from "#platform/tenancy-client/copy.js";
import { rebuild } from "../../workers/billing/rebuild/rebuild.js";
import { optionsOf } from "../support/measured.js";
import { METERS } from "./events.js";

export interface RebuildMeasured {
  readonly seconds: number;
  readonly events: number;
  readonly differences: number;
  readonly cells: number;
  readonly peakRssMb: number;
}

// One rebuild in a separate process, to measure its memory.
const asked = optionsOf<{ port: number; url: string; partitions: number; secret: string; checkOnly: boolean }>();
const migrationsDir = migrationsDirOf("billing");
const database = await openDatabase({ url: asked.url, migrationsDir, onError: () => undefined });
const { reads, apply, close } = createTenancyState(systemClock);
for (const meter of METERS) apply(meter);
const ledger = createLedgerClient(
  () => `http://127.0.0.1:${asked.port}`,
  createIdentityTokens(asked.secret),
  "billing",
);
for (let partition = 0; partition < asked.partitions; partition += 1) {
  const { headSeq } = await ledger.read({ partition, from: 1, limit: 1 });
  await database.pool.query("INSERT INTO high_water_mark VALUES ($1, $2, 0) ON CONFLICT DO NOTHING", [
    partition,
    headSeq,
  ]);
}
const start = performance.now();
const request = { tenantId: undefined, checkOnly: asked.checkOnly };
const tenancy = { ...reads, stop: async () => close() };
let [events, differences] = [0, 0];
for await (const step of rebuild(
  {
    database,
    tenancy,
    ledger,
    clock: systemClock,
    partitions: asked.partitions,
    migrationsDir,
    onError: () => undefined,
  },
  request,
)) {
  if (step.kind === "done") ({ events, differences } = step);
}
const seconds = (performance.now() - start) / 1000;
const { rows } = await database.pool.query<{ n: number }>("SELECT count(*)::int AS n FROM usage_delta");
const measured: RebuildMeasured = {
  ...{ seconds, events, differences, cells: rows[0]?.n ?? 0 },
  peakRssMb: process.resourceUsage().maxRSS / 1_024,
};
console.log(JSON.stringify(measured));
await tenancy.stop();
await database.stop();
