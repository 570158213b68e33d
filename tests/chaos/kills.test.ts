import { afterAll, beforeAll, describe, test } from "vitest";
import { createHistory, wallClock } from "../oracle/history.js";
import { hasKafka, hasPostgres, hasRedis } from "../servers/servers.js";
import { expectDerived } from "../support/cli.js";
import { sized, testSeed } from "../support/effort.js";
import { type Adapters, type MetrlyProcess, startMetrly } from "../support/metrly.js";
import { countRequests } from "../support/requests.js";
import {
  expectAccounted,
  expectInvoices,
  expectTotals,
  type ProofOptions,
  setUp,
  type Target,
} from "../systems/whole-path/proof.js";
import { interrupt, requestsOf, unpublished } from "./interruption.js";
import { postThrough } from "./under-load.js";

const KILLS = sized(2, 5);
const EVENTS = sized(10_000, 100_000);
const TENANTS = sized(6, 20);

const CASES: readonly { adapters: Adapters; can: boolean }[] = [
  { adapters: "embedded", can: true },
  { adapters: "servers", can: hasKafka && hasRedis && hasPostgres },
];

for (const { adapters, can } of CASES) {
  describe.skipIf(!can)(`kill -9 under load (${adapters})`, () => {
    const options: ProofOptions = {
      events: EVENTS,
      tenants: Array.from({ length: TENANTS }, (_, n) => `tenant-${n}`),
      seed: testSeed(),
    };
    let metrly: MetrlyProcess;
    let target: Target;
    let key: string;

    beforeAll(async () => {
      metrly = await startMetrly(adapters);
      target = { url: metrly.url, admin: await metrly.adminToken(), history: createHistory(wallClock) };
      key = await setUp(target, options);
    });

    afterAll(async () => {
      await metrly?.dispose();
    });

    test("neither loses nor duplicates events: the accounting adds up and every invoice equals the oracle's", async () => {
      const requests = countRequests();
      const works = [requestsOf("with events", requests)];
      // Only a database that outlives the process shows unfinished work.
      if (adapters === "servers") works.push(unpublished(metrly.databaseUrl("ingestion")));
      const kills = Array.from({ length: KILLS }, (_, n) => () => {
        const work = works[n % works.length] ?? requestsOf("with events", requests);
        return interrupt(work, metrly.kill, metrly.restart);
      });
      const events = await postThrough({ target, key }, options, kills, requests);
      await expectAccounted(target, options, events);
      await expectTotals(target, options, events);
      await expectInvoices(target, options, events);
      await expectDerived(metrly);
    });
  });
}
