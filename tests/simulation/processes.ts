import { contextOf, type World } from "./context.js";
import type { SimulatedDatabase } from "./database.js";
import { createInstance, type Instance } from "./engine/instance.js";
import type { Action } from "./engine/scheduler.js";
import type { Reachable } from "./ports/requests.js";
import type { Role, Serving } from "./ports/serving.js";

interface Process {
  readonly instance: Instance;
  readonly databases: SimulatedDatabase[];
  serving: Serving | undefined;
}

const RESTARTED_WITHIN_MS = 5_000;
const SHORTEST_FREEZE_MS = 200;
const LONGEST_FREEZE_MS = 40_000;
/** Half of it back, half of it forward. */
const CLOCK_RANGE_MS = 80 * 86_400_000;

/** The processes of a simulated installation. One that is killed starts again. */
export function createProcesses(world: World) {
  const { scheduler, log, jobs, counters } = world;
  const random = scheduler.randomFor("world");
  const processes = new Map<string, Process>();
  let haveClocksJumped = false;

  function start(name: string, role: Role, life = 1): void {
    const instance = createInstance(scheduler, `${name}.${life}`);
    const process: Process = { instance, databases: [], serving: undefined };
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
      role(contextOf(world, instance, process.databases)).then(
        (serving) => {
          process.serving = serving;
        },
        (error: unknown) => {
          scheduler.trace.add(`  ${instance.name} cannot start: ${String(error)}`);
          // As an orchestrator does: a process that cannot start is started again.
          instance.kill({ losesRequests: false });
        },
      );
    });
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
      each("has another clock", (instance) => {
        haveClocksJumped = true;
        instance.jumpClock((random() - 0.5) * CLOCK_RANGE_MS);
      }),
      calls,
      sessions,
      log.faults(),
      jobs.faults(),
      counters.faults(),
    ];
  }

  return {
    start,
    faults,
    /** What arrived at a frozen process happens when it thaws. */
    isOneFrozen: (): boolean => [...processes.values()].some(({ instance }) => instance.isFrozen()),
    haveClocksJumped: () => haveClocksJumped,
    reachable: (): Reachable[] =>
      [...processes.values()].map((process) => ({ instance: process.instance, serving: () => process.serving })),
    correctClocks(): void {
      for (const { instance } of processes.values()) instance.correctClock();
      counters.recover();
    },
  };
}
