import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasKafka, hasPostgres, hasRedis, waitFor } from "../servers/servers.js";
import { expectDerived } from "../support/cli.js";
import { sized, testSeed } from "../support/effort.js";
import { graphql } from "../support/graphql/index.js";
import { type MetrlyProcess, startMetrly } from "../support/metrly.js";
import { hammerGraph, hammerQuota } from "../systems/compose/hammer.js";
import {
  expectAccounted,
  expectInvoices,
  expectTotals,
  type ProofOptions,
  postLoad,
  setUp,
  type Target,
} from "../systems/whole-path/proof.js";
import { residentMiB } from "./world.js";

const SOAK_MS = sized(10_000, 180_000);
const EVENTS = sized(3_000, 60_000);
const REQUESTS_LIMIT = 100;
const MORE_MEMORY_MIB = 500;
const GRAPH = graphql(
  `query SoakGraph { tenant(id: "tenant-0") { usageTotals { meter quantity } quotas { used remaining } } }`,
);

describe.skipIf(!hasKafka || !hasRedis || !hasPostgres)("steady traffic on every plane", () => {
  const options: ProofOptions = {
    events: EVENTS,
    tenants: ["tenant-0", "tenant-1", "tenant-2"],
    seed: testSeed(),
    limits: [{ meter: null, window: "BILLING_PERIOD", kind: "HARD", limit: String(REQUESTS_LIMIT) }],
  };
  let metrly: MetrlyProcess;
  let target: Target;
  let key: string;

  beforeAll(async () => {
    metrly = await startMetrly("servers");
    target = { url: metrly.url, admin: await metrly.adminToken() };
    key = await setUp(target, options);
  });

  afterAll(async () => {
    await metrly?.dispose();
  });

  test("stays ready and small, and everything adds up at the end", async () => {
    const quota = hammerQuota(target, key, "tenant-0");
    const graph = hammerGraph(target, GRAPH);
    const end = Date.now() + SOAK_MS;
    const unready: string[] = [];
    const memory: number[] = [];
    let looking: Promise<void> | undefined;
    /** A machine that stops for seconds makes it unready for a moment, which must pass by itself. */
    async function lookAtReadiness(): Promise<void> {
      const ready = await fetch(`${metrly.url}/readyz`);
      if (ready.ok) return;
      unready.push(await ready.text());
      await waitFor(async () => (await fetch(`${metrly.url}/readyz`)).ok, {
        what: `readiness after ${unready.at(-1)}`,
      });
    }
    // Until the time is up, traffic goes on with repeats of what is acknowledged.
    const events = await postLoad(target, key, options, {
      async beforeBatch() {
        looking ??= lookAtReadiness().finally(() => {
          looking = undefined;
        });
        await looking;
        memory.push((await residentMiB(metrly.pid())) ?? 0);
      },
      hold: (share) => share >= 0.9 && Date.now() < end,
    });
    const admitted = await quota.stop();
    await graph.stop();

    expect(unready.length, unready.join("\n")).toBeLessThanOrEqual(memory.length / 10);
    expect(Math.max(...memory) - (memory[Math.floor(memory.length / 4)] ?? 0), "MiB more").toBeLessThan(
      MORE_MEMORY_MIB,
    );
    expect(admitted).toBeGreaterThan(0);
    expect(admitted).toBeLessThanOrEqual(REQUESTS_LIMIT);
    await expectAccounted(target, options, events);
    await expectTotals(target, options, events);
    await expectInvoices(target, options, events);
    await expectDerived(metrly);
  });
});
