import { afterAll, beforeAll, describe, test } from "vitest";
import { hasKafka, hasPostgres, hasRedis } from "../../servers/servers.js";
import { expectDerived } from "../../support/cli.js";
import { type Adapters, type MetrlyProcess, startMetrly } from "../../support/metrly.js";
import { randomOf } from "./load.js";
import {
  expectAccounted,
  expectInvoices,
  expectTotals,
  type ProofOptions,
  postLoad,
  setUp,
  type Target,
} from "./proof.js";

const KILLS = 3;

const CASES: readonly { adapters: Adapters; can: boolean }[] = [
  { adapters: "embedded", can: true },
  { adapters: "servers", can: hasKafka && hasRedis && hasPostgres },
];

for (const { adapters, can } of CASES) {
  describe.skipIf(!can)(`kill -9 under load (${adapters})`, () => {
    const options: ProofOptions = {
      events: 200_000,
      tenants: Array.from({ length: 20 }, (_, n) => `tenant-${n}`),
      seed: Date.now() % 1_000_000,
    };
    let metrly: MetrlyProcess;
    let target: Target;
    let key: string;

    beforeAll(async () => {
      metrly = await startMetrly(adapters);
      target = { url: metrly.url, admin: await metrly.adminToken() };
      key = await setUp(target, options);
    }, 120_000);

    afterAll(async () => {
      await metrly?.dispose();
    });

    test("loses and doubles nothing: the accounting adds up and every invoice is the oracle's", async () => {
      const random = randomOf(options.seed + 1);
      const moments = Array.from({ length: KILLS }, () => 0.1 + 0.75 * random()).sort();
      let kills: Promise<void> = Promise.resolve();
      const events = await postLoad(target, key, options, (share) => {
        if (moments[0] === undefined || share < moments[0]) return;
        moments.shift();
        kills = kills.then(() => metrly.killAndRestart());
      });
      await kills;
      await expectAccounted(target, options, events);
      await expectTotals(target, options, events);
      await expectInvoices(target, options, events);
      await expectDerived(metrly);
    }, 420_000);
  });
}
