import { type ChildProcess, spawn } from "node:child_process";
import { cp, readdir, readFile, rm, stat } from "node:fs/promises";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { HOUR_MS } from "#kernel/duration.js";
import { openDatabase } from "#platform/database/database.js";
import { packageRoot } from "#platform/process/package-root.js";
import { askRedisOnce } from "#platform/redis/once.js";
import { openGate } from "../../workers/quota/gate/gate.testing.js";
import { ONE_UNIT } from "../../workers/quota/rules/amount.js";
import { createMigratedDatabase } from "../servers/migrated.js";
import { startRedis } from "../servers/private-servers.js";
import { startRedisCluster } from "../servers/redis-cluster.js";
import { serverDir } from "../servers/run-dir.js";
import { hasPostgres, hasRedis, PATIENCE_MS, waitFor } from "../servers/servers.js";
import { sized, testSeed } from "../support/effort.js";
import { compiledProgram } from "../support/program.js";
import { randomOf } from "../support/random.js";
import { type AskerOptions, tenancyOf } from "./quota-asker.js";

const PROCESSES = sized(2, 4);
const TENANTS = sized(5_000, 10_000);
const PER_HOUR = 10;
const PER_SECOND = 4;
const DISTURBANCES = sized(4, 12);
const ADMISSIONS = sized(500, 2_000);
/** Longer than the denials after a loss: a second. */
const CALM_MS = 1_200;

/** A look reads every admission. */
const LOOK_AGAIN_MS = 250;

interface Admission {
  readonly tenantId: string;
  readonly key: string;
  readonly amount: number;
  readonly at: number;
}

interface Store {
  readonly urls: readonly string[];
  /** The faults, by name. */
  readonly faults: Readonly<Record<string, () => Promise<void>>>;
  stop(): Promise<void>;
}

async function oneServer(): Promise<Store> {
  const redis = await startRedis({ appendOnly: true });
  const copies = await serverDir("aof");
  let copied = false;
  const restart = async (): Promise<void> => {
    await redis.kill("SIGKILL");
    await redis.restart();
  };
  return {
    urls: [redis.url],
    faults: {
      flush: () => askRedisOnce(redis.url, async (client) => void (await client.flushall()), PATIENCE_MS),
      "restart from its own file": restart,
      async "keep a copy of the file"() {
        await rm(path.join(copies, "aof"), { recursive: true, force: true });
        await cp(path.join(redis.dir, "appendonlydir"), path.join(copies, "aof"), { recursive: true });
        copied = true;
      },
      async "restart from an old file"() {
        await redis.kill("SIGKILL");
        if (copied) {
          await rm(path.join(redis.dir, "appendonlydir"), { recursive: true });
          await cp(path.join(copies, "aof"), path.join(redis.dir, "appendonlydir"), { recursive: true });
        }
        await redis.restart();
      },
    },
    async stop() {
      await redis.stop();
      await rm(copies, { recursive: true, force: true });
    },
  };
}

async function cluster(): Promise<Store> {
  const { masters, replica, failOver, stop } = await startRedisCluster();
  const [, second, third] = masters;
  return {
    urls: [...masters, replica].map(({ url }) => url),
    faults: {
      "flush of a master": () =>
        askRedisOnce(third?.url ?? "", async (client) => void (await client.flushall()), PATIENCE_MS),
      "failover of a master, once": failOver,
      async "restart of a master without its data"() {
        await second?.kill("SIGKILL");
        await second?.restart();
      },
    },
    stop,
  };
}

for (const [where, start] of [
  ["one Redis", oneServer],
  ["a Redis Cluster", cluster],
] as const)
  describe.skipIf(!hasPostgres || !hasRedis)(`quota on ${where}`, () => {
    test("several processes, kills and losses: no limit is ever exceeded, and all answered decisions are accounted for", async () => {
      const seed = testSeed();
      const random = randomOf(seed);
      const [store, test, dir] = await Promise.all([start(), createMigratedDatabase("quota"), serverDir("askers")]);
      const program = await compiledProgram(path.join(packageRoot(), "tests/chaos/quota-asker.ts"));
      const database = await openDatabase({ url: test.url, onError: () => undefined });
      const options = { databaseUrl: test.url, redisUrls: store.urls, prefix: "storm", tenants: TENANTS };
      const limits = { perHour: PER_HOUR, perSecond: PER_SECOND };
      let started = 0;
      const askers: ChildProcess[] = [];
      const outOf = new Map<ChildProcess, number>();
      const launch = (): ChildProcess => {
        started += 1;
        const asker = startAsker(program, {
          ...{ ...options, ...limits, out: path.join(dir, `${started}`), seed: seed + started },
        });
        outOf.set(asker, started);
        return asker;
      };
      try {
        for (let n = 0; n < PROCESSES; n += 1) askers.push(launch());
        await waitFor(async () => (await admissionsIn(dir)).length > ADMISSIONS / 4, {
          ...{ what: "admissions", pauseMs: LOOK_AGAIN_MS },
        });
        const happened: string[] = [];
        const faults = Object.entries(store.faults);
        for (let n = 0; n < DISTURBANCES; n += 1) {
          await wait(CALM_MS * (1 + random()));
          const victim = Math.floor(random() * PROCESSES);
          await killWhileAsking(askers[victim]);
          askers[victim] = launch();
          // Each at least once, then at random.
          const [name, fault] = faults[n < faults.length ? n : Math.floor(random() * faults.length)] ?? faults[0] ?? [];
          await fault?.();
          happened.push(name ?? "");
        }
        await wait(CALM_MS);
        // Runs until some admissions succeed and some limits are reached.
        await waitFor(
          async () => {
            const { total, full } = summaryOf(await admissionsIn(dir));
            return total >= ADMISSIONS && full >= 10;
          },
          { what: `${ADMISSIONS} admissions and 10 tenants at their limit`, pauseMs: LOOK_AGAIN_MS },
        );
        for (const asker of askers) asker.kill("SIGKILL");
        const admissions = await admissionsIn(dir);
        const { total, full } = summaryOf(admissions);
        process.stdout.write(`${admissions.length} admissions through: ${happened.join(", ")}\n`);
        process.stdout.write(`${total} admitted, ${full} tenants reached their limit\n`);
        const byTenant = perTenant(admissions);
        for (const [tenantId, own] of byTenant) {
          expect([tenantId, worstWindow(own, HOUR_MS) <= PER_HOUR]).toEqual([tenantId, true]);
          expect([tenantId, worstWindow(own, 1_000) <= PER_SECOND]).toEqual([tenantId, true]);
        }
        await expectAccounted(byTenant);
      } finally {
        for (const asker of askers) asker.kill("SIGKILL");
        await database.stop();
        await Promise.all([store.stop(), test.drop(), rm(dir, { recursive: true, force: true })]);
      }

      /** It asks 64 at a time as soon as it has admitted something, so that many of its calls are open. */
      async function killWhileAsking(asker: ChildProcess | undefined): Promise<void> {
        if (asker === undefined) throw new Error("there is no such asker");
        const out = path.join(dir, String(outOf.get(asker)));
        const isAsking = async () => ((await stat(out).catch(() => undefined))?.size ?? 0) > 0;
        await waitFor(isAsking, { what: "an asker's admissions" });
        asker.kill("SIGKILL");
        await waitFor(() => asker.signalCode === "SIGKILL", { what: "the end of an asker" });
      }

      async function expectAccounted(byTenant: ReadonlyMap<string, readonly Admission[]>): Promise<void> {
        const tenancy = tenancyOf({ tenants: TENANTS, ...limits });
        const { gate, stop } = await openGate({ ...options, database, tenancy, onError: () => undefined });
        const some = [...byTenant].filter((_, index) => index % 10 === 0);
        for (const [tenantId, own] of some) {
          const answered = own.reduce((sum, { amount }) => sum + amount, 0);
          const hour = await waitFor(
            async () =>
              // What a loss may have hidden is reserved for as long as the reservations would have been.
              (await gate.status(tenantId)).find(
                ({ limit, state, lost }) => limit.window === "HOUR" && (state !== "REBUILDING" || lost > 0n),
              ),
            { what: `the counters of ${tenantId}` },
          );
          expect(hour.used + hour.reserved).toBeGreaterThanOrEqual(BigInt(answered) * ONE_UNIT);
        }
        await stop();
      }
    });
  });

function startAsker(program: string, options: AskerOptions): ChildProcess {
  return spawn(process.execPath, [program, JSON.stringify(options)], {
    stdio: ["ignore", "ignore", "inherit"],
  });
}

/** A key used twice was charged once. */
async function admissionsIn(dir: string): Promise<readonly Admission[]> {
  const byKey = new Map<string, Admission>();
  for (const file of (await readdir(dir)).filter((name) => /^\d+$/.test(name))) {
    const lines = (await readFile(path.join(dir, file), "utf8")).split("\n");
    // A kill may have truncated the last line; every other one is complete.
    for (const line of lines.slice(0, -1)) {
      const [tenantId = "", key = "", amount, at] = line.split(" ");
      const known = byKey.get(key);
      if (known === undefined || known.at > Number(at))
        byKey.set(key, { tenantId, key, amount: Number(amount), at: Number(at) });
    }
  }
  return [...byKey.values()];
}

function perTenant(admissions: readonly Admission[]): ReadonlyMap<string, readonly Admission[]> {
  const byTenant = new Map<string, Admission[]>();
  for (const one of admissions) {
    const own = byTenant.get(one.tenantId);
    if (own === undefined) byTenant.set(one.tenantId, [one]);
    else own.push(one);
  }
  return byTenant;
}

/** Admissions, and the number of tenants that reached their limit or exceeded it, which fails the test. */
function summaryOf(admissions: readonly Admission[]): { readonly total: number; readonly full: number } {
  const atLimit = [...perTenant(admissions).values()].filter((own) => worstWindow(own, HOUR_MS) >= PER_HOUR);
  return { total: admissions.reduce((sum, { amount }) => sum + amount, 0), full: atLimit.length };
}

/** The maximum in any window of this length. */
function worstWindow(admissions: readonly Admission[], windowMs: number): number {
  const sorted = [...admissions].sort((a, b) => a.at - b.at);
  let [first, sum, worst] = [0, 0, 0];
  for (const { at, amount } of sorted) {
    sum += amount;
    while ((sorted[first]?.at ?? at) <= at - windowMs) {
      sum -= sorted[first]?.amount ?? 0;
      first += 1;
    }
    worst = Math.max(worst, sum);
  }
  return worst;
}
