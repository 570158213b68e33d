import type { Redis } from "ioredis";
import { askRedisOnce } from "#platform/redis/once.js";
import { type PrivateRedis, startRedis } from "./private-servers.js";
import { freePort, PATIENCE_MS, waitFor } from "./servers.js";

export interface PrivateRedisCluster {
  readonly url: string;
  /** Three, each with a third of the slots. */
  readonly masters: readonly PrivateRedis[];
  /** Of the first master. */
  readonly replica: PrivateRedis;
  /** Kills the first master, and its replica takes its place; once more, nothing happens. */
  failOver(): Promise<void>;
  stop(): Promise<void>;
}

const SLOTS = 16_384;
const MASTERS = 3;
/** Longer than any machine stops: no node fails over unless a test tells it to. */
const NODE_TIMEOUT_MS = 600_000;

/** Three masters and a replica of the first, as from `redis-cli --cluster create`. Nothing is persisted. */
export async function startRedisCluster(): Promise<PrivateRedisCluster> {
  const nodes: PrivateRedis[] = [];
  const stop = async (): Promise<void> => void (await Promise.all(nodes.map((node) => node.stop())));
  try {
    for (let n = 0; n <= MASTERS; n += 1) nodes.push(await startNode());
    const [first, ...others] = nodes;
    const masters = nodes.slice(0, MASTERS);
    const replica = nodes[MASTERS];
    if (first === undefined || replica === undefined) throw new Error("no nodes");
    for (const [n, node] of masters.entries()) {
      const from = Math.floor((n * SLOTS) / MASTERS);
      const to = Math.floor(((n + 1) * SLOTS) / MASTERS) - 1;
      await asked(node, (redis) => redis.call("CLUSTER", "ADDSLOTSRANGE", from, to));
    }
    for (const node of others) {
      const { hostname, port } = new URL(node.url);
      const bus = await asked(node, async (redis) => (await redis.config("GET", "cluster-port")) as string[]);
      await asked(first, (redis) => redis.call("CLUSTER", "MEET", hostname, port, String(bus[1])));
    }
    const id = String(await asked(first, (redis) => redis.call("CLUSTER", "MYID")));
    await waitFor(
      async () => {
        await asked(replica, (redis) => redis.call("CLUSTER", "REPLICATE", id));
        return true;
      },
      { what: "the replica to know its master" },
    );
    const isWhole = async (node: PrivateRedis) => {
      const info = await asked(node, (redis) => redis.cluster("INFO"));
      const slots = (await asked(node, (redis) => redis.cluster("SLOTS"))) as unknown[][];
      const replicas = slots.reduce((sum, range) => sum + range.length - 3, 0);
      return /cluster_state:ok/.test(String(info)) && slots.length === MASTERS && replicas === 1;
    };
    for (const node of nodes) await waitFor(() => isWhole(node), { what: "the cluster to be whole" });
    async function failOver(): Promise<void> {
      await first?.kill("SIGKILL");
      const isReplica = async (redis: Redis) => /^role:slave/m.test(await redis.info("replication"));
      await asked(replica as PrivateRedis, async (redis) => {
        if (await isReplica(redis)) await redis.call("CLUSTER", "FAILOVER", "TAKEOVER");
        await waitFor(async () => !(await isReplica(redis)), { what: "the replica to be a master" });
      });
    }
    return { url: first.url, masters, replica, failOver, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A replica is not listed before its master has sent it something. */
const startNode = async (): Promise<PrivateRedis> =>
  startRedis({
    flags: [
      ...["--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction", "--cluster-enabled", "yes"],
      ...["--cluster-port", String(await freePort()), "--cluster-node-timeout", String(NODE_TIMEOUT_MS)],
      ...["--cluster-require-full-coverage", "no"],
      ...["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"],
    ],
  });

const asked = <T>(node: PrivateRedis, ask: (redis: Redis) => Promise<T>): Promise<T> =>
  askRedisOnce(node.url, ask, PATIENCE_MS);
