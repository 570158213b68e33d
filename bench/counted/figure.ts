import { waitFor } from "../../tests/servers/servers.js";
import { ask } from "../../tests/support/client.js";
import * as world from "../../tests/systems/whole-path/world.js";
import { cpuMsOf } from "../suite/cpu.js";
import type { Arena, Contestant, Figure, Measured } from "../suite/figure.js";
import { versionOf } from "../suite/versions.js";
import { load, type MeasuredServer, startServer } from "../support/processes.js";
import { METER, TENANT } from "./world.js";

const BATCH = 100;
const REPEAT_PERCENT = 10;
const CONNECTIONS = [8, 64] as const;
const SELF_BUILT = "Fastify and one table in PostgreSQL";

export const COUNTED: Figure = {
  name: "counted",
  title: "Events counted exactly once, end to end",
  text: `Usage events of 180 bytes in batches of ${BATCH}, a tenth of the batches sent again, from a closed loop of connections. The clock
runs from the first request until a total answers that includes the last event, so a backlog counts. CPU is that of all processes of
a system with their servers, by the operating system; the load generator is apart. The reference is what a team would build itself:
Fastify, one \`INSERT … ON CONFLICT DO NOTHING\` per batch into one table with one index, totals by GROUP BY, PostgreSQL with its
default flushing (\`bench/counted/self-built.ts\`). It has no tenants' limits, no ledger, no time zones or late events, no prices.`,
  columns: [
    { key: "perSecond", title: "counted/s", better: "more", digits: 0 },
    { key: "cpuUs", title: "CPU µs per event", better: "less", digits: 1 },
    { key: "acknowledgedPerSecond", title: "acknowledged/s", better: "more", digits: 0 },
    { key: "p99Ms", title: "p99 of a batch, ms", better: "less", digits: 0 },
    { key: "drainSeconds", title: "last total after, s", better: "less", digits: 2 },
    { key: "refusedPercent", title: "refused, %", better: "less", digits: 1 },
  ],
  base: SELF_BUILT,
  minutes: 7,
  seconds: 5,
  async start() {
    const servers: MeasuredServer[] = [];
    const stop = async () => {
      for (const server of servers.splice(0)) await server.stop();
    };
    try {
      const selfBuilt = await startServer("counted/server-self-built", {});
      servers.push(selfBuilt);
      const embedded = await startServer<{ admin: string }>("counted/server-embedded", {});
      servers.push(embedded);
      const roles = await startServer<{ admin: string }>("counted/server-roles", {});
      servers.push(roles);
      return { contestants: contestants(selfBuilt, embedded, roles), missing: [], stop } satisfies Arena;
    } catch (error) {
      await stop();
      throw error;
    }
  },
};

type Metrly = MeasuredServer & { readonly admin: string };

function contestants(selfBuilt: MeasuredServer, embedded: Metrly, roles: Metrly): Contestant[] {
  return CONNECTIONS.flatMap((connections) => {
    const workload = `${connections} connections`;
    const measured = (server: MeasuredServer, counting: Counting) => (seconds: number) =>
      measure(server, counting, connections, seconds);
    return [
      {
        ...{ name: SELF_BUILT, workload, kind: "reference" as const, version: `fastify ${versionOf("fastify")}` },
        measure: measured(selfBuilt, selfBuiltCounting(selfBuilt)),
      },
      {
        ...{ name: "Metrly, one process (`metrly all`)", workload, kind: "metrly" as const },
        measure: measured(embedded, metrlyCounting(embedded)),
      },
      {
        ...{ name: "Metrly, roles on Kafka", workload, kind: "metrly" as const },
        measure: measured(roles, metrlyCounting(roles)),
      },
    ];
  });
}

/** How a system says what it has counted. */
interface Counting {
  /** Waits until everything acknowledged is in the total, and returns that. */
  settledTotal(): Promise<number>;
}

function selfBuiltCounting({ port, key }: MeasuredServer): Counting {
  return {
    async settledTotal() {
      const response = await fetch(`http://127.0.0.1:${port}/v1/totals`, {
        headers: { authorization: `Bearer ${key}` },
      });
      return Number(Object(await response.json())["api.request"] ?? 0);
    },
  };
}

function metrlyCounting({ port, admin }: Metrly): Counting {
  const url = `http://127.0.0.1:${port}`;
  return {
    async settledTotal() {
      const isSettled = async () => {
        const accounting = await world.accountingOf(url, admin, TENANT);
        if (world.sumOf(accounting) !== accounting.accepted) throw new Error("the accounting does not add up");
        return accounting.inFlight === 0 ? accounting : undefined;
      };
      const { counted } = await waitFor(isSettled, {
        what: "everything to be counted",
        ...{ deadlineMs: 600_000, pauseMs: 25 },
      });
      const { tenant } = await ask(url, admin, world.USAGE, { tenantId: TENANT, periodStart: null });
      const total = Number(tenant.usageTotals.find(({ meter }) => meter === METER)?.quantity ?? 0);
      if (total !== counted) throw new Error(`the total is ${total}, the accounting says ${counted}`);
      return total;
    },
  };
}

async function measure(
  server: MeasuredServer,
  { settledTotal }: Counting,
  connections: number,
  seconds: number,
): Promise<Measured> {
  const before = await settledTotal();
  const cpuBefore = await cpuMsOf([server.pid]);
  const began = performance.now();
  const sent = await load(server, {
    ...{ connections, events: BATCH, seconds, warmup: 0, repeatPercent: REPEAT_PERCENT },
  });
  const sentAt = performance.now();
  const counted = (await settledTotal()) - before;
  const ended = performance.now();
  const cpuMs = (await cpuMsOf([server.pid])) - cpuBefore;
  const answers = Object.values(sent.statuses).reduce((sum, count) => sum + count, 0);
  return {
    perSecond: counted / ((ended - began) / 1_000),
    cpuUs: (cpuMs * 1_000) / counted,
    acknowledgedPerSecond: sent.eventsPerSecond,
    p99Ms: sent.p99,
    drainSeconds: (ended - sentAt) / 1_000,
    refusedPercent: (100 * (answers - sent.requests)) / answers,
  };
}
