import { EventEmitter } from "node:events";
import pg from "pg";
import { type Database, type Sessions, sessionsOf } from "#platform/database/database.js";
import { PROFILES, type SessionLimits } from "#platform/database/profiles.js";
import { type ClientOptions, createClient, type SimulatedClient } from "./client.js";
import type { Action } from "./engine/scheduler.js";
import type { Statement } from "./statements.js";

export interface SimulatedDatabase extends Database {
  /** What can go wrong with its sessions now. */
  faults(): readonly Action[];
}

const MAX_CONNECTIONS = 8;

/** One process's connections to a database: each statement is a step of the scheduler's. */
export function openSimulatedDatabase(options: ClientOptions): SimulatedDatabase {
  const pools = new Map<string, ReturnType<typeof createPool>>();
  function under(profile: keyof typeof PROFILES): Sessions {
    const pool = pools.get(profile) ?? createPool(options, PROFILES[profile]);
    pools.set(profile, pool);
    return sessionsOf(pool, PROFILES[profile]);
  }
  options.instance.onKill(() => {
    for (const pool of pools.values()) pool.abandon();
  });
  return {
    ...under("hot"),
    url: `simulated://${options.name}`,
    profiles: PROFILES,
    under,
    stop: async () => undefined,
    faults: () => [...pools.values()].flatMap((pool) => pool.faults()),
  };
}

/** It has the parts of the driver's pool that the product uses, and says to Prisma that it is one. */
function createPool(options: ClientOptions, limits: SessionLimits) {
  const open = new Set<SimulatedClient>();
  const idle: SimulatedClient[] = [];
  const waiting: ((client: SimulatedClient) => void)[] = [];

  function create(): SimulatedClient {
    const client = createClient(options, limits, (isBroken) => released(client, isBroken));
    open.add(client);
    return client;
  }

  function released(client: SimulatedClient, isBroken: boolean): void {
    if (isBroken) {
      open.delete(client);
      client.abandon();
    }
    const next = waiting.shift();
    if (next !== undefined) next(isBroken ? create() : client);
    else if (!isBroken) idle.push(client);
  }

  async function connect(): Promise<SimulatedClient> {
    for (let known = idle.pop(); known !== undefined; known = idle.pop()) {
      if (known.isUsable()) return known;
      // As the driver's pool does with an idle connection that is lost.
      open.delete(known);
      known.abandon();
    }
    return open.size < MAX_CONNECTIONS ? create() : new Promise((resolve) => waiting.push(resolve));
  }

  const parts = Object.assign(new EventEmitter(), {
    connect,
    async query(statement: string | Statement, values?: readonly unknown[]): Promise<pg.QueryResult> {
      const client = await connect();
      try {
        return await client.query(statement, values);
      } finally {
        client.release();
      }
    },
    abandon(): void {
      for (const client of open) client.abandon();
    },
    faults: (): Action[] => [...open].flatMap((client) => client.faults()),
  });
  return Object.setPrototypeOf(parts, pg.Pool.prototype) as pg.Pool & Pick<typeof parts, "abandon" | "faults">;
}
