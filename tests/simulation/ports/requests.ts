import type { Instance } from "../engine/instance.js";
import type { Scheduler } from "../engine/scheduler.js";
import type { Serving } from "./serving.js";

/** A process as its clients see it. */
export interface Reachable {
  readonly instance: Instance;
  /** Undefined: it is not serving yet. */
  serving(): Serving | undefined;
}

/** How far clients came. */
export interface Progress {
  /** How many things they began to do; repetitions of what failed are none. */
  begun(): number;
  /** They have done everything, and no process works at what they gave up. */
  isDone(): boolean;
}

export const progressOf = (clients: readonly Progress[]): Progress => ({
  begun: () => clients.reduce((sum, { begun }) => sum + begun(), 0),
  isDone: () => clients.every(({ isDone }) => isDone()),
});

export interface RequestsOptions {
  readonly scheduler: Scheduler;
  readonly client: Instance;
  readonly random: () => number;
  readonly processes: () => readonly Reachable[];
  /** At most, between two things that the client does. */
  readonly pauseMs?: number;
}

const TIMEOUT_MS = 3_000;
const PAUSE_MS = 400;
/** How often clients lose a request, or an answer. */
const LOSSES = 0.05;

/** How one client reaches the processes. */
export function createRequests({ scheduler, client, random, processes, pauseMs = PAUSE_MS }: RequestsOptions) {
  /** Requests at a process, also those that the client gave up: what they change is still to come. */
  let underWay = 0;
  const pick = (below: number): number => Math.floor(random() * below);

  function later(what: string, run: () => void | Promise<void>): void {
    scheduler.after(pauseMs * random(), client.name, {
      key: client.keyOf(what),
      async run() {
        await run();
        return "";
      },
    });
  }

  /**
   * Sends a request to one of the processes that serve it; the network loses some requests and some answers. `onFailed` has the error
   * of a process that refused.
   */
  function request<T>(
    serve: (serving: Serving) => (() => Promise<T>) | undefined,
    onAnswer: (answer: T) => void | Promise<void>,
    onFailed: (error?: unknown) => void | Promise<void>,
  ): void {
    const able = processes().flatMap(({ instance, serving }) => {
      const now = serving();
      const run = now === undefined || !instance.isAlive() ? undefined : serve(now);
      return run === undefined ? [] : [{ instance, run }];
    });
    const chosen = able[pick(able.length)];
    if (chosen === undefined) {
      later("finds nobody", onFailed);
      return;
    }
    let isOver = false;
    const end = (run: () => void | Promise<void>) => (): void => {
      if (isOver) return;
      isOver = true;
      withdraw();
      void run();
    };
    const withdraw = scheduler.after(TIMEOUT_MS, client.name, {
      key: client.keyOf("gives up"),
      run() {
        end(onFailed)();
        return "";
      },
    });
    const [losesRequest, losesAnswer] = [random() < LOSSES, random() < LOSSES];
    if (losesRequest) return;
    const { instance, run } = chosen;
    const leave = enter(instance);
    instance.post(instance.keyOf(`is asked by ${client.name}`), () => {
      const ended = run();
      ended.then(leave, leave);
      ended.then(
        (answer) =>
          losesAnswer ||
          client.post(
            client.keyOf("is answered"),
            end(() => onAnswer(answer)),
          ),
        (error: unknown) =>
          losesAnswer ||
          client.post(
            client.keyOf("is refused"),
            end(() => onFailed(error)),
          ),
      );
    });
  }

  /** The answer notes that the process has ended the request, as its death does. */
  function enter(instance: Instance): () => void {
    let isOver = false;
    const leave = (): void => {
      if (!isOver) underWay -= 1;
      isOver = true;
    };
    underWay += 1;
    instance.onKill(leave);
    return leave;
  }

  return { later, request, isIdle: () => underWay === 0 };
}
