import { afterAll, beforeAll, describe, expect, onTestFailed, test } from "vitest";
import { hasKafka, hasNginx, hasPostgres, hasRedis, waitFor } from "../../servers/servers.js";
import { randomOf } from "../whole-path/load.js";
import {
  expectAccounted,
  expectInvoices,
  expectTotals,
  type ProofOptions,
  postLoad,
  setUp,
  type Target,
} from "../whole-path/proof.js";
import { hammerQuota } from "./hammer.js";
import { expectNoticesDelivered, type Receiver, startReceiver } from "./receiver.js";
import { type RunningCompose, startCompose } from "./start.js";

const ROLES = ["gateway", "tenancy", "ingestion", "quota", "billing", "notification"] as const;
const KILLS_OF_EACH = 3;
/** Far above the 15 s that it takes on a machine of its own: this only says that each comes back by itself. */
const BACK_WITHIN_MS = 60_000;
const REQUESTS_LIMIT = 400;

for (const replicas of [1, 2]) {
  describe.skipIf(!hasKafka || !hasRedis || !hasPostgres || !hasNginx)(
    `the distributed system, ${replicas} of each role`,
    () => {
      const options: ProofOptions = {
        events: 30_000,
        tenants: Array.from({ length: 12 }, (_, n) => `tenant-${n}`),
        seed: Date.now() % 1_000_000,
        limits: [
          { meter: null, window: "BILLING_PERIOD", kind: "HARD", limit: String(REQUESTS_LIMIT) },
          { meter: "tokens", window: "BILLING_PERIOD", kind: "SOFT", limit: "20000", warnAt: ["0.5", "0.8"] },
        ],
      };
      let compose: RunningCompose;
      let receiver: Receiver;
      let target: Target;
      let key: string;

      beforeAll(async () => {
        compose = await startCompose({
          replicas,
          env: { METRLY_WEBHOOK_ALLOW_HOSTS: "127.0.0.1", METRLY_TICK_SECONDS: "1" },
        });
        target = { url: compose.url, admin: await compose.adminToken() };
        receiver = await startReceiver();
        key = await setUp(target, options);
        await receiver.subscribe(target, options.tenants);
      }, 240_000);

      afterAll(async () => {
        await receiver?.stop();
        await compose?.stop();
      }, 60_000);

      test("loses nothing when each role, the broker and Redis are killed under load", async () => {
        onTestFailed(async () => {
          for (const [name, process] of compose.processes)
            console.error(`${name}:\n${(await process.output()).slice(-3_000)}`);
        });
        const victims = replicas === 1 ? plannedKills(randomOf(options.seed + 1)) : [...ROLES];
        const recoveries: [string, number][] = [];
        let done = 0;
        const chaos = (async () => {
          for (const victim of victims) {
            recoveries.push([victim, await killAndRecover(victim)]);
            done += 1;
          }
        })();
        const hammer = hammerQuota(target, key, options.tenants[0] ?? "");
        const events = await postLoad(target, key, options, (share) =>
          untilKilled(() => share <= (done + 1) / (victims.length + 1)),
        );
        await chaos;
        const admitted = await hammer.stop();

        await expectAccounted(target, options, events);
        await expectTotals(target, options, events);
        await expectInvoices(target, options, events);
        expect(admitted, `admitted by a hard limit, seed ${options.seed}`).toBeLessThanOrEqual(REQUESTS_LIMIT);
        expect(admitted).toBeGreaterThan(0);
        await expectNoticesDelivered(target, options.tenants, receiver);
        process.stdout.write(`back after, ms: ${recoveries.map(([victim, ms]) => `${victim} ${ms}`).join(", ")}\n`);
        expect(recoveries.filter(([, ms]) => ms > BACK_WITHIN_MS)).toEqual([]);
      }, 540_000);

      /** Every role three times, the broker and Redis once, in random order. */
      function plannedKills(random: () => number): string[] {
        const all = [...ROLES.flatMap((role) => Array.from({ length: KILLS_OF_EACH }, () => role)), "kafka", "redis"];
        return all
          .map((victim) => ({ victim, at: random() }))
          .sort((a, b) => a.at - b.at)
          .map(({ victim }) => victim);
      }

      /** SIGKILL and a start on the same data, as Docker's restart policy does. Returns how long it took to be ready again, ms. */
      async function killAndRecover(victim: string): Promise<number> {
        const started = Date.now();
        const server =
          victim === "kafka" ? compose.kafka : victim === "redis" ? compose.redis : compose.processes.get(victim);
        if (server === undefined) throw new Error(`there is no ${victim}`);
        await server.kill("SIGKILL");
        await server.restart();
        return Date.now() - started;
      }

      async function untilKilled(reached: () => boolean): Promise<void> {
        await waitFor(reached, { what: "the next kill", deadlineMs: 180_000 });
      }
    },
  );
}
