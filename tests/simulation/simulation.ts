import { USAGE_RECEIVED, USAGE_RECORDED } from "#schema/topics.js";
import type { StatementFlaw } from "./client.js";
import { openSimulatedDatabase, type SimulatedDatabase } from "./database.js";
import { createInstance, type Instance, installSimulation } from "./instance.js";
import { createSimulatedLog, type EarlyTopics } from "./log.js";
import { createHistory, type Judged, judgeAlways, judgeAtRest } from "./oracle.js";
import { type RoleContext, startBillingRole, startIngestionRole, TENANTS } from "./roles.js";
import { type Action, createScheduler, type Deviation, settled } from "./scheduler.js";
import type { Server } from "./server.js";
import { type Edge, type Receive, startClients } from "./workload.js";

export interface Flaw {
  readonly statements?: StatementFlaw;
  readonly early?: EarlyTopics;
}

export interface SimulationOptions {
  readonly seed: number;
  /** After so many steps nothing fails any more, and the system has to come to rest. */
  readonly steps: number;
  readonly servers: { readonly ingestion: Server; readonly billing: Server };
  readonly flaw?: Flaw;
  readonly replay?: readonly Deviation[];
  /** The replayed run is not the whole one: faults may come somewhat earlier or later than they did. */
  readonly isPart?: boolean;
  /** How often a step is a fault, 0 to 1; by default the seed decides. */
  readonly faultRate?: number;
  /** Of each tenant, 12 by default. */
  readonly events?: number;
  /** The run ends at this step, whether the system has come to rest or not. */
  readonly lastStep?: number;
}

export interface Outcome {
  readonly seed: number;
  readonly hash: string;
  readonly steps: number;
  readonly simulatedMs: number;
  /** What is wrong; empty: all is right. */
  readonly violations: readonly string[];
  readonly trace: readonly string[];
  readonly deviations: readonly Deviation[];
}

const PARTITIONS = 2;
const INGESTIONS = 2;
const BILLINGS = 2;
const START_MS = Date.UTC(2026, 0, 15, 12);
const EVENTS = 12;
const JUDGED_EVERY = 150;
/** Far more than an undisturbed system needs. */
const MAX_STEPS_TO_REST = 8_000;
const DAY_MS = 86_400_000;

/** One run: everything that happens in it follows from the seed and the code. */
export async function simulate(options: SimulationOptions): Promise<Outcome> {
  const { seed, servers, flaw, replay } = options;
  const scheduler = createScheduler({
    seed,
    startMs: START_MS,
    replay,
    isPart: options.isPart,
    faultRate: options.faultRate,
  });
  const restore = installSimulation(scheduler);
  const log = createSimulatedLog(scheduler, PARTITIONS);
  const history = createHistory();
  const random = scheduler.randomFor("world");
  const violations: string[] = [];
  const onUnhandled = (error: unknown) => violations.push(`an unhandled rejection: ${String(error)}`);
  process.on("unhandledRejection", onUnhandled);

  interface Process {
    instance: Instance;
    databases: SimulatedDatabase[];
    receive: Receive | undefined;
  }
  const processes = new Map<string, Process>();

  function startProcess(
    name: string,
    life: number,
    start: (context: RoleContext) => Promise<Receive | undefined>,
  ): void {
    const instance = createInstance(scheduler, `${name}.${life}`);
    const databases: SimulatedDatabase[] = [];
    const process: Process = { instance, databases, receive: undefined };
    processes.set(name, process);
    instance.onKill(() => {
      scheduler.after(random() * 5_000, "world", {
        key: `${name} starts again`,
        run() {
          startProcess(name, life + 1, start);
          return "";
        },
      });
    });
    const context: RoleContext = {
      instance,
      log: log.of(instance, flaw?.early),
      partitionCount: PARTITIONS,
      openDatabase(database) {
        const server = servers[database];
        const opened = openSimulatedDatabase({
          ...{ scheduler, instance, server, name: database },
          flaw: flaw?.statements,
        });
        databases.push(opened);
        return opened;
      },
      report(error) {
        scheduler.trace.add(`  ${instance.name} reports: ${String(error)}`);
      },
      fail(error) {
        violations.push(`${instance.name} failed: ${String(error)}`);
      },
    };
    instance.post(`${instance.name} starts`, () => {
      start(context).then(
        (receive) => {
          process.receive = receive;
        },
        // As an orchestrator does: a process that cannot start is started again.
        () => instance.kill({ losesRequests: false }),
      );
    });
  }

  for (let n = 1; n <= INGESTIONS; n += 1) startProcess(`ingestion-${n}`, 1, startIngestionRole);
  for (let n = 1; n <= BILLINGS; n += 1) startProcess(`billing-${n}`, 1, startBillingRole);
  const clients = startClients({
    scheduler,
    history,
    tenants: TENANTS,
    eventsPerTenant: options.events ?? EVENTS,
    types: ["api.request", "api.transfer", "unknown.type"],
    edges: () =>
      [...processes.values()].map(({ instance, ...process }): Edge => ({ instance, receive: () => process.receive })),
  });

  function faults(): readonly Action[][] {
    const alive = [...processes.values()].filter(({ instance }) => instance.isAlive());
    const each = (what: string, run: (instance: Instance) => void): Action[] =>
      alive.map(({ instance }) => ({
        key: `fault: ${instance.name} ${what} after ${instance.last()}`,
        run() {
          run(instance);
          return "";
        },
      }));
    const calls = alive.flatMap(({ instance }) => instance.losable());
    const sessions = alive.flatMap(({ databases }) => databases.flatMap((database) => database.faults()));
    return [
      each("is killed", (instance) => instance.kill({ losesRequests: false })),
      each("is lost with its machine", (instance) => instance.kill({ losesRequests: true })),
      each("freezes", (instance) => instance.freeze(200 + random() * 40_000)),
      each("has another clock", (instance) => instance.jumpClock((random() - 0.5) * 80 * DAY_MS)),
      ...[calls, calls],
      ...[sessions, sessions],
      log.faults(),
    ];
  }
  scheduler.setFaults(faults);

  const judged: Judged = {
    history,
    ingestion: servers.ingestion.ask,
    billing: servers.billing.ask,
    get published() {
      return Array.from({ length: PARTITIONS }, (_, partition) =>
        log.stored(USAGE_RECORDED, partition).map(({ value }) => value.toString("utf8")),
      );
    },
    meters: [
      { id: "calls", type: "api.request", isSum: false },
      { id: "bytes", type: "api.transfer", isSum: true },
    ],
  };

  let restTargets: number[] | undefined;
  const seqTargets: (number | undefined)[] = [];

  /** What is still to be recorded, published and aggregated; undefined: nothing that clients sent. */
  async function unrest(): Promise<string | undefined> {
    if (!clients.isDone()) return "clients wait for acknowledgements";
    const cursors = await servers.ingestion.ask<{ partition: number; next: number; seq: number; published: number }>(
      "SELECT partition, next, seq, published FROM recorder_cursor JOIN publisher_cursor USING (partition)",
    );
    const marks = await servers.billing.ask<{ partition: number; seq: number }>(
      "SELECT partition, seq FROM high_water_mark",
    );
    restTargets ??= Array.from({ length: PARTITIONS }, (_, partition) => log.next(USAGE_RECEIVED, partition));
    for (const [partition, target] of restTargets.entries()) {
      const { next = 0, seq = 0, published = 0 } = cursors.find((one) => one.partition === partition) ?? {};
      const mark = marks.find((one) => one.partition === partition)?.seq ?? 0;
      if (next < target) return `the cursor of partition ${partition} is at ${next} of ${target}`;
      seqTargets[partition] ??= seq;
      const wanted = seqTargets[partition] ?? seq;
      if (published < wanted) return `partition ${partition} is published up to ${published} of ${wanted}`;
      if (mark < wanted) return `the mark of partition ${partition} is at ${mark} of ${wanted}`;
    }
    return undefined;
  }

  const { lastStep = Number.POSITIVE_INFINITY } = options;
  try {
    while (violations.length === 0 && scheduler.steps() < lastStep) {
      if (scheduler.steps() === options.steps) scheduler.calm();
      await scheduler.step();
      if (scheduler.steps() % JUDGED_EVERY !== 0) continue;
      violations.push(...(await judgeAlways(judged)));
      if (violations.length > 0 || scheduler.steps() < options.steps) continue;
      const open = await unrest();
      if (open === undefined) {
        violations.push(...(await judgeAtRest(judged)));
        break;
      }
      if (scheduler.steps() > options.steps + MAX_STEPS_TO_REST)
        violations.push(`it did not come to rest in ${MAX_STEPS_TO_REST} steps: ${open}`);
    }
    await settled();
    return {
      seed,
      hash: scheduler.trace.hash(),
      steps: scheduler.steps(),
      simulatedMs: scheduler.nowMs() - START_MS,
      violations,
      trace: scheduler.trace.lines,
      deviations: scheduler.deviations(),
    };
  } finally {
    process.off("unhandledRejection", onUnhandled);
    restore();
  }
}
