import {
  CountersUnavailable,
  MOST_COMBINATIONS,
  type Operation,
  type Outcome,
  type QuotaCounters,
  REMEMBERED_MS,
  REMEMBERED_TEXTS,
  type StoredBound,
} from "../counters.js";
import type { Most } from "../tenant/admitting.js";
import { isAbsence, isOf, lostAt, POSITION_FIELD, VERSION_FIELD } from "./commit.js";
import { grouped } from "./grouped.js";
import { createLowering } from "./lowering.js";
import type { Tenant, TenantKeys } from "./replica.js";
import { createReplicas } from "./replicas.js";
import { createRedisServer, type RedisServerOptions } from "./server.js";

export interface RedisNodeOptions extends RedisServerOptions {
  readonly prefix: string;
  /** Keys that a tenant may have alive. */
  readonly maxKeys: number;
  /** Combinations of one limit that a tenant may have. */
  readonly maxCombinations?: number | undefined;
  /** Tenants with the same value may share a call: in a cluster, those of one slot. */
  readonly together?: (tenantId: string) => number;
}

export interface RedisNodeCounters extends QuotaCounters {
  /** First connection; later ones are made as needed. Throws when the server does not answer or may evict keys. */
  connect(): Promise<void>;
}

/** Operations of one request in one commit. */
const OPERATIONS_AT_ONCE = 100;
const POSITIONS_AT_ONCE = 256;

/**
 * Counters in one Redis server: the state of a tenant lies there, each process has a replica of it, and stores what its
 * decisions change only if the state is still the one on which they were made.
 */
export function createRedisNodeCounters(options: RedisNodeOptions): RedisNodeCounters {
  const { prefix, maxKeys, maxCombinations = MOST_COMBINATIONS, together } = options;
  const most = { keys: maxKeys, combinations: maxCombinations };
  const server = createRedisServer(options);
  const keysOf = (tenantId: string): TenantKeys => {
    const tag = `${prefix}:{${tenantId}}`;
    return [`${tag}:h`, `${tag}:k`, `${tag}:l`];
  };
  const textsKey = (tenantId: string): string => `${prefix}:{${tenantId}}:d`;
  const replicas = createReplicas({ server, keysOf, together, onBounded: (tenantId) => lowering.note(tenantId) });
  const lowering = createLowering({
    run: replicas.run,
    lowersAgainAt: replicas.lowersAgainAt,
    hasOwnClock: replicas.hasOwnClock,
    now: () => server.known()?.clock.now(),
  });

  /** Runs a step for which time does not matter. */
  const changed = <T>(tenantId: string, run: (tenant: Tenant) => T): Promise<T> =>
    replicas.run(tenantId, { at: null, work: 1, run });

  const executeAtOnce = (
    tenantId: string,
    operations: readonly Operation[],
    now: number | undefined,
  ): Promise<readonly Outcome[]> =>
    replicas.run(tenantId, {
      at: now,
      work: workOf(operations),
      run: (tenant, at) => executeAll(tenant, operations, at, most),
    });

  async function executeMany(
    tenantId: string,
    operations: readonly Operation[],
    now: number | undefined,
  ): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = [];
    while (outcomes.length < operations.length && !isStop(outcomes.at(-1))) {
      const some = operations.slice(outcomes.length, outcomes.length + OPERATIONS_AT_ONCE);
      outcomes.push(...(await executeAtOnce(tenantId, some, now)));
    }
    return outcomes;
  }

  async function lowered(bounds: readonly StoredBound[]): Promise<void> {
    const byTenant = grouped(bounds, ({ tenantId }) => tenantId);
    await Promise.all(
      [...byTenant].map(([tenantId, some]) =>
        changed(tenantId, (tenant) => {
          const state = tenant.state();
          return state?.lowered(some.filter(({ epoch }) => epoch === state.epoch()));
        }),
      ),
    );
  }

  /** A tenant's position is stored beside its state. */
  async function positions(tenantIds: readonly string[]): Promise<readonly (number | undefined)[]> {
    const incarnation = await server.verified();
    const found: (number | undefined)[] = [];
    for (let from = 0; from < tenantIds.length; from += POSITIONS_AT_ONCE) {
      const some = tenantIds.slice(from, from + POSITIONS_AT_ONCE);
      const heads = await server.ask(async (redis) => {
        const asked = redis.pipeline();
        for (const tenantId of some) asked.hmget(keysOf(tenantId)[0], VERSION_FIELD, POSITION_FIELD);
        return withoutErrors(await asked.exec());
      });
      for (const head of heads) {
        const [version, position] = Array.isArray(head) ? head.map(String) : [];
        const isHere = version !== undefined && isOf(version, incarnation.name) && !isAbsence(version);
        found.push(isHere ? Number(position) : undefined);
      }
    }
    await server.secure(incarnation);
    return found;
  }

  return {
    connect: server.connect,
    now: server.probe,
    nowOf: server.now,
    execute: (tenantId, operations, now) =>
      (operations.length <= OPERATIONS_AT_ONCE ? executeAtOnce : executeMany)(tenantId, operations, now),
    async observe(tenantIds) {
      const tokens = await Promise.all(tenantIds.map((tenantId) => changed(tenantId, ({ token }) => token())));
      // Afterwards: a token of an earlier life than this names nothing any more.
      const { since } = await server.verified();
      return tokens.map((token) => ({ since: Math.max(since, lostAt(token)), token }));
    },
    load: (load, token) =>
      changed(load.tenantId, (tenant) => {
        if (tenant.token() !== token) return;
        if (tenant.state() === undefined) tenant.create(load);
        tenant.state()?.load(load);
      }),
    extend: (extension) => changed(extension.tenantId, ({ state }) => state()?.extend(extension)),
    settle: (request) =>
      replicas.run(request.tenantId, {
        at: request.now,
        work: 1 + request.events.length,
        run: ({ state }, at) => state()?.settle(request, at) ?? "unknown",
      }),
    repair: (load) => changed(load.tenantId, ({ state }) => state()?.repair(load)),
    correct: (tenantId, seq, totals) => changed(tenantId, ({ state }) => state()?.correct(seq, totals) ?? false),
    grant: (tenantId, epoch, grants) => changed(tenantId, ({ state }) => state()?.grant(epoch, grants)),
    lower: lowering.lower,
    async lookAt(tenantIds) {
      for (const tenantId of tenantIds) lowering.note(tenantId);
    },
    lowered,
    positions,
    remember: (tenantId, texts) =>
      server.ask(async (redis) => {
        const key = textsKey(tenantId);
        const stored = redis
          .pipeline()
          .lpush(key, ...texts)
          .ltrim(key, 0, REMEMBERED_TEXTS - 1);
        withoutErrors(await stored.pexpire(key, REMEMBERED_MS).exec());
      }),
    recall: (tenantId) => server.ask((redis) => redis.lrange(textsKey(tenantId), 0, -1)),
    async *save() {},
    restore: async () => false,
    async stop() {
      replicas.stop(new CountersUnavailable("the quota counters are stopped"));
      await server.stop();
    },
  };
}

function executeAll(tenant: Tenant, operations: readonly Operation[], at: number, most: Most): Outcome[] {
  const state = tenant.state();
  const [first] = operations;
  if (operations.length === 1 && first !== undefined) return [state?.execute(first, at, most) ?? UNKNOWN];
  const outcomes: Outcome[] = [];
  for (const operation of operations) {
    const outcome = state?.execute(operation, at, most) ?? UNKNOWN;
    outcomes.push(outcome);
    if (isStop(outcome)) break;
  }
  return outcomes;
}

/** Charges that are as much work as deciding one usual operation. */
const CHARGES_PER_WORK = 8;

/** Of a request for many meters, or under many limits, more than of others. */
const workOf = (operations: readonly Operation[]): number =>
  operations.reduce(
    (sum, one) => sum + (one.kind === "release" ? 1 : 1 + Math.floor(one.charges.length / CHARGES_PER_WORK)),
    0,
  );

const UNKNOWN: Outcome = { kind: "unknown" };

/** Whether the operations after one with this outcome wait for something. */
const isStop = (outcome: Outcome | undefined): boolean => outcome?.kind === "unknown" || outcome?.kind === "bounds";

/** The replies of a pipeline. Throws the first error. */
function withoutErrors(replies: readonly (readonly [Error | null, unknown])[] | null): readonly unknown[] {
  return (replies ?? []).map(([error, reply]) => {
    if (error !== null) throw error;
    return reply;
  });
}
