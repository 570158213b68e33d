import { openSimulatedDatabase, type SimulatedDatabase } from "./database.js";
import type { Flaw } from "./flaws.js";
import { createInstance, type Instance } from "./instance.js";
import type { createSimulatedJobs } from "./jobs.js";
import type { SimulatedLog } from "./log.js";
import type { RoleContext } from "./roles.js";
import type { Action, Scheduler } from "./scheduler.js";
import type { Server } from "./server.js";
import type { Edge, Receive } from "./workload.js";

export interface ProcessesOptions {
  readonly scheduler: Scheduler;
  readonly log: SimulatedLog;
  readonly jobs: ReturnType<typeof createSimulatedJobs>;
  readonly servers: { readonly ingestion: Server; readonly billing: Server };
  readonly partitionCount: number;
  readonly flaw?: Flaw | undefined;
  /** A process ended with an error that a restart does not mend. */
  onFailed(what: string): void;
}

type Start = (context: RoleContext) => Promise<Receive | undefined>;

interface Process {
  readonly instance: Instance;
  readonly databases: SimulatedDatabase[];
  receive: Receive | undefined;
}

const RESTARTED_WITHIN_MS = 5_000;
const SHORTEST_FREEZE_MS = 200;
const LONGEST_FREEZE_MS = 40_000;
/** Half of it back, half of it forward. */
const CLOCK_RANGE_MS = 80 * 86_400_000;

/** The processes of a simulated installation. One that is killed starts again. */
export function createProcesses(options: ProcessesOptions) {
  const { scheduler, log, jobs, servers, flaw } = options;
  const random = scheduler.randomFor("world");
  const processes = new Map<string, Process>();

  function start(name: string, role: Start, life = 1): void {
    const instance = createInstance(scheduler, `${name}.${life}`);
    const process: Process = { instance, databases: [], receive: undefined };
    processes.set(name, process);
    instance.onKill(() => {
      scheduler.after(random() * RESTARTED_WITHIN_MS, "world", {
        key: `${name} starts again`,
        run() {
          start(name, role, life + 1);
          return "";
        },
      });
    });
    instance.post(`${instance.name} starts`, () => {
      role(contextOf(process)).then(
        (receive) => {
          process.receive = receive;
        },
        // As an orchestrator does: a process that cannot start is started again.
        () => instance.kill({ losesRequests: false }),
      );
    });
  }

  function contextOf({ instance, databases }: Process): RoleContext {
    return {
      log: log.of(instance, flaw?.early),
      jobs: jobs.of(instance),
      partitionCount: options.partitionCount,
      openDatabase(name) {
        const opened = openSimulatedDatabase({
          ...{ scheduler, instance, name, server: servers[name], flaw: flaw?.statements },
        });
        databases.push(opened);
        return opened;
      },
      report(error) {
        scheduler.trace.add(`  ${instance.name} reports: ${String(error)}`);
      },
      fail(error) {
        options.onFailed(`${instance.name} failed: ${String(error)}`);
      },
    };
  }

  /** By kind. */
  function faults(): readonly Action[][] {
    const alive = [...processes.values()].filter(({ instance }) => instance.isAlive());
    const running = alive.filter(({ instance }) => !instance.isFrozen());
    const each = (what: string, run: (instance: Instance) => void, of = alive): Action[] =>
      of.map(({ instance }) => ({
        key: `fault: ${instance.name} ${what} after ${instance.last()}`,
        run() {
          run(instance);
          return "";
        },
      }));
    const calls = alive.flatMap(({ instance }) => instance.losable());
    const sessions = alive.flatMap(({ databases }) => databases.flatMap((database) => database.faults()));
    const freezeMs = () => SHORTEST_FREEZE_MS + random() * (LONGEST_FREEZE_MS - SHORTEST_FREEZE_MS);
    return [
      each("is killed", (instance) => instance.kill({ losesRequests: false })),
      each("is lost with its machine", (instance) => instance.kill({ losesRequests: true })),
      each("freezes", (instance) => instance.freeze(freezeMs()), running),
      each("has another clock", (instance) => instance.jumpClock((random() - 0.5) * CLOCK_RANGE_MS)),
      calls,
      sessions,
      log.faults(),
      jobs.faults(),
    ];
  }

  return {
    start,
    faults,
    edges: (): Edge[] =>
      [...processes.values()].map(({ instance, ...process }) => ({ instance, receive: () => process.receive })),
    correctClocks(): void {
      for (const { instance } of processes.values()) instance.correctClock();
    },
  };
}
