import { AsyncLocalStorage } from "node:async_hooks";
import { type Randomness, replaceRandomness } from "#platform/lifecycle/random.js";
import { replaceTime, type Time } from "#platform/lifecycle/time.js";
import { replaceMachine } from "./machine.js";
import type { Action, Scheduler } from "./scheduler.js";
import { digestOf } from "./trace.js";

/** A call of a port that is on its way. */
interface Call {
  readonly key: string;
  isServed: boolean;
  /** The request never arrives. */
  withdraw(): void;
  lose?: () => void;
}

export interface CallOptions {
  /** What is sent, for the trace. */
  readonly sent?: unknown;
  /** The error of a call whose request or answer is lost; without it, it cannot be lost. */
  readonly lost?: () => Error;
}

/** A simulated process. Nothing enters it but by the scheduler. */
export interface Instance {
  readonly name: string;
  /** Runs product code as this process: its time and its random values are those of the instance. */
  run<T>(work: () => T): T;
  /** Lets something from outside happen in this process, when the scheduler says so, as the action with this key. */
  post(key: string, work: () => void): void;
  /** Calls a port: the request arrives at one step, the answer at another one. */
  call<T>(what: string, perform: () => Promise<T>, options?: CallOptions): Promise<T>;
  /** A key that is unique in the simulation, and mostly the same in another order of things: it counts what is called the same. */
  keyOf(what: string): string;
  /** Notes that something of this process happened. */
  happened(key: string): void;
  /** What happened last. A fault that is named after it finds its place in another order of things. */
  last(): string;
  isAlive(): boolean;
  isFrozen(): boolean;
  /** Calls that can be lost now. */
  losable(): readonly Action[];
  freeze(ms: number): void;
  jumpClock(ms: number): void;
  /** Its clock is the simulation's again. */
  correctClock(): void;
  /** Ends the process as `kill -9` does. What it asked for still arrives, or is lost with its machine. */
  kill(options: { readonly losesRequests: boolean }): void;
  onKill(listener: () => void): void;
}

const running = new AsyncLocalStorage<InstanceState>();

interface InstanceState {
  readonly instance: Instance;
  readonly random: () => number;
  clockOffsetMs: number;
}

export function createInstance(scheduler: Scheduler, name: string): Instance {
  const calls = new Set<Call>();
  const listeners = new Set<() => void>();
  const counts = new Map<string, number>();
  let last = "its creation";
  let isAlive = true;
  let thaw: (() => void) | undefined;

  const keyOf = (what: string): string => {
    const count = (counts.get(what) ?? 0) + 1;
    counts.set(what, count);
    return `${name} ${what}#${count}`;
  };
  const isHeld = () => thaw !== undefined;

  /** As a step of this process. */
  function enter(key: string, work: () => void): void {
    scheduler.offer({
      key,
      isHeld,
      run() {
        if (!isAlive) return "dead";
        last = key;
        running.run(state, work);
        return "";
      },
    });
  }

  function call<T>(what: string, perform: () => Promise<T>, { lost, sent }: CallOptions = {}): Promise<T> {
    const key = keyOf(what);
    return new Promise<T>((resolve, reject) => {
      const call: Call = { key, isServed: false, withdraw: () => withdraw() };
      const withdraw = scheduler.offer({
        key: `${key} is served`,
        async run() {
          const [answer, result] = await perform().then(
            (value) => [() => resolve(value), `answers ${digestOf(value)}`] as const,
            (error: Error) => [() => reject(error), `refuses: ${error.message}`] as const,
          );
          call.isServed = true;
          last = `${key} is served`;
          enter(`${key} is answered`, () => {
            if (calls.delete(call)) answer();
          });
          return sent === undefined ? result : `sent ${digestOf(sent)}, ${result}`;
        },
      });
      calls.add(call);
      if (lost !== undefined)
        call.lose = () => {
          withdraw();
          calls.delete(call);
          enter(`${key} is lost`, () => reject(lost()));
        };
    });
  }

  const instance: Instance = {
    name,
    run: (work) => running.run(state, work),
    post: enter,
    call,
    keyOf,
    happened(key) {
      last = key;
    },
    last: () => last,
    isAlive: () => isAlive,
    isFrozen: isHeld,
    losable: () =>
      [...calls]
        .filter(({ lose }) => lose !== undefined)
        .map(({ key, isServed, lose }) => ({
          key: `fault: ${key} loses its ${isServed ? "answer" : "request"}`,
          run() {
            lose?.();
            return "";
          },
        })),
    freeze(ms) {
      thaw?.();
      const withdraw = scheduler.after(ms, "world", {
        key: `${name} thaws`,
        run() {
          thaw?.();
          return "";
        },
      });
      thaw = () => {
        withdraw();
        thaw = undefined;
      };
    },
    jumpClock(ms) {
      state.clockOffsetMs += Math.round(ms);
    },
    correctClock() {
      state.clockOffsetMs = 0;
    },
    kill({ losesRequests }) {
      isAlive = false;
      if (losesRequests) for (const call of calls) call.withdraw();
      thaw?.();
      calls.clear();
      for (const listener of listeners) listener();
    },
    onKill: (listener) => void listeners.add(listener),
  };
  const state: InstanceState = { instance, random: scheduler.randomFor(name), clockOffsetMs: 0 };
  return instance;
}

/** Replaces the time and the randomness of this whole process; the answer puts them back. */
export function installSimulation(scheduler: Scheduler): () => void {
  const outside = scheduler.randomFor("outside");
  const offset = () => running.getStore()?.clockOffsetMs ?? 0;

  function after(ms: number, run: () => void) {
    const owner = running.getStore();
    const key = owner?.instance.keyOf("timer") ?? "outside timer";
    const cancel = scheduler.after(ms, owner?.instance.name ?? "outside", {
      key,
      ...(owner !== undefined && { isHeld: owner.instance.isFrozen }),
      run() {
        if (owner === undefined) run();
        else if (owner.instance.isAlive()) running.run(owner, run);
        return "";
      },
    });
    return { cancel };
  }

  const time: Time = {
    now: () => scheduler.nowMs() + offset(),
    monotonicMs: () => scheduler.nowMs(),
    after,
    nextTurn: (run) => void after(0, run),
    timeoutSignal(ms) {
      const controller = new AbortController();
      after(ms, () => controller.abort(new DOMException("The operation timed out", "TimeoutError")));
      return controller.signal;
    },
  };
  const fraction = () => (running.getStore()?.random ?? outside)();
  const hex = (digits: number) =>
    Array.from({ length: digits }, () => Math.floor(fraction() * 16).toString(16)).join("");
  const randomness: Randomness = {
    fraction,
    uuid: () => `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`,
    orderedUuid: () => {
      const at = time.now().toString(16).padStart(12, "0");
      return `${at.slice(0, 8)}-${at.slice(8)}-7${hex(3)}-8${hex(3)}-${hex(12)}`;
    },
  };
  const own = { now: time.now, after: (ms: number, run: () => void) => after(ms, run), fraction };
  const ownMachine = replaceMachine(() => (running.getStore() === undefined ? undefined : own));
  const restore = [replaceTime(time), replaceRandomness(randomness), ownMachine];
  return () => {
    for (const one of restore) one();
  };
}
