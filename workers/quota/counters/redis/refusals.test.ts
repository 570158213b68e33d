import { mkdtemp, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PrivateRedis, startRedis } from "../../../../tests/servers/private-servers.js";
import { hasRedis, waitFor } from "../../../../tests/servers/servers.js";
import { CountersUnavailable, type QuotaCounters } from "../counters.js";
import { calls, consume, loadCalls, openTestCounters, reserved } from "./redis.testing.js";

/** A way in which a Redis that answers refuses. */
interface Refusal {
  readonly name: string;
  readonly code: RegExp;
  begin(redis: Redis): Promise<unknown>;
  end(redis: Redis): Promise<unknown>;
  /** A command failed when others had been executed: the tenant is built anew. */
  readonly tears?: boolean;
}

const acl = (name: string, rule: string, tears = false): Refusal => ({
  name: `NOPERM of ${name}`,
  code: /NOPERM|can't run this command/,
  begin: (redis) => redis.call("ACL", "SETUSER", "default", `-${rule}`),
  end: (redis) => redis.call("ACL", "SETUSER", "default", "+@all"),
  tears,
});

const REFUSALS: readonly Refusal[] = [
  {
    name: "OOM",
    code: /OOM/,
    begin: (redis) => redis.config("SET", "maxmemory", "1"),
    end: (redis) => redis.config("SET", "maxmemory", "0"),
  },
  {
    name: "NOREPLICAS",
    code: /NOREPLICAS/,
    begin: (redis) => redis.config("SET", "min-replicas-to-write", "1"),
    end: (redis) => redis.config("SET", "min-replicas-to-write", "0"),
  },
  {
    name: "MISCONF",
    code: /MISCONF/,
    async begin(redis) {
      const gone = await mkdtemp(path.join(tmpdir(), "metrly-gone-"));
      await redis.config("SET", "dir", gone);
      await rmdir(gone);
      await redis.config("SET", "save", "3600 1000000");
      await redis.bgsave();
      await waitFor(async () => /rdb_last_bgsave_status:err/.test(await redis.info("persistence")), {
        what: "a snapshot to fail",
      });
    },
    end: (redis) => redis.config("SET", "save", ""),
  },
  {
    name: "READONLY",
    code: /READONLY/,
    begin: (redis) => redis.replicaof("127.0.0.1", 1),
    end: (redis) => redis.replicaof("NO", "ONE"),
  },
  {
    name: "MASTERDOWN",
    code: /MASTERDOWN/,
    async begin(redis) {
      await redis.config("SET", "replica-serve-stale-data", "no");
      await redis.replicaof("127.0.0.1", 1);
    },
    end: (redis) => redis.replicaof("NO", "ONE"),
  },
  {
    name: "NOAUTH",
    // At first the connection is not there again.
    code: /NOAUTH|Stream isn't writeable/,
    async begin(redis) {
      await redis.config("SET", "requirepass", "secret");
      await redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    },
    end: (redis) => redis.config("SET", "requirepass", ""),
  },
  acl("evalsha", "evalsha"),
  acl("all that writes", "@write"),
  acl("HSET", "hset"),
  acl("RPUSH", "rpush", true),
];

describe.skipIf(!hasRedis)("a Redis that answers and refuses", () => {
  let server: PrivateRedis;
  let redis: Redis;
  beforeAll(async () => {
    server = await startRedis({
      flags: ["--save", "", "--maxmemory-policy", "noeviction", "--enable-protected-configs", "yes"],
    });
    redis = new Redis(server.url);
  });
  afterAll(async () => {
    redis.disconnect();
    await server.stop();
  });

  test.each(REFUSALS.map((one) => [one.name, one] as const))(
    "%s is not an answer, changes nothing, and passes",
    async (_, refusal) => {
      const [a, b] = await Promise.all([openTestCounters(server.url, "p"), openTestCounters(server.url, "p")]);
      const tenantId = refusal.name.replaceAll(" ", "-");
      await loadCalls(a, tenantId);
      expect(await consume(a, tenantId, "1", calls(100n, 7n))).toBe("allowed");
      expect(await reserved(b, tenantId)).toBe(7n);

      const refusedAt = await a.now();
      await refusal.begin(redis);
      try {
        const error = await failureOf(() => consume(a, tenantId, "2", calls(100n, 5n)));
        expect(reasonOf(error)).toMatch(refusal.code);
        for (const counters of [a, b]) {
          if (refusal.tears !== true) {
            await failureOf(() => consume(counters, tenantId, "3", calls(100n, 5n)));
            await failureOf(() => settle(counters, tenantId));
          }
          await failureOf(() => counters.now());
          await failureOf(() => loadCalls(counters, `${tenantId}-other`));
        }
      } finally {
        await refusal.end(redis);
      }

      for (const counters of [a, b])
        await waitFor(() => counters.now().catch(unlessUnavailable), { what: "the counters to answer" });
      if (refusal.tears === true) {
        expect(await consume(b, tenantId, "4", calls(100n, 3n))).toBe("unknown");
        // What it may have admitted until then is in windows that are blocked since.
        expect((await b.observe([tenantId]))[0]?.since).toBeGreaterThanOrEqual(refusedAt);
        await loadCalls(b, tenantId);
      } else expect(await reserved(b, tenantId)).toBe(7n);
      const before = refusal.tears === true ? 0n : 7n;
      expect(await consume(a, tenantId, "5", calls(100n, 2n))).toBe("allowed");
      expect(await reserved(a, tenantId)).toBe(before + 2n);
      expect(await reserved(b, tenantId)).toBe(before + 2n);
      expect(await settle(b, tenantId)).toBe("applied");
      expect(await a.positions([tenantId])).toEqual([1]);
      await Promise.all([a.stop(), b.stop()]);
    },
  );

  test("an error that nobody knows is not an answer either", async () => {
    const renamed = await startRedis({
      flags: ["--save", "", "--maxmemory-policy", "noeviction", "--rename-command", "HDEL", ""],
    });
    const counters = await openTestCounters(renamed.url, "p");
    await loadCalls(counters, "t");
    expect(await consume(counters, "t", "1", calls(100n))).toBe("allowed");
    await failureOf(() => counters.now());
    await failureOf(() => counters.execute("t", [{ kind: "release", key: "1" }], undefined));
    expect(await consume(counters, "t", "2", calls(100n))).toBe("unknown");
    await counters.stop();
    await renamed.stop();
  });
});

const settle = (counters: QuotaCounters, tenantId: string) =>
  counters.settle({
    ...{ tenantId, previousSeq: 0, seq: 1, now: undefined },
    ...{ counted: ["calls|HOUR"], events: [], totals: [] },
  });

async function failureOf(work: () => Promise<unknown>): Promise<CountersUnavailable> {
  const outcome = await work().then(
    (result) => JSON.stringify(result),
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(CountersUnavailable);
  return outcome as CountersUnavailable;
}

const reasonOf = ({ message, cause }: Error): string => `${message}: ${cause instanceof Error ? cause.message : cause}`;

function unlessUnavailable(error: unknown): undefined {
  if (!(error instanceof CountersUnavailable)) throw error;
  return undefined;
}
