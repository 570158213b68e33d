import { randomOf } from "../../support/random.js";
import { createTrace, type Trace } from "./trace.js";

/** Something that may happen next. */
export interface Action {
  /** The same in every run that came here in the same way: what a run deviated by can be applied to another one. */
  readonly key: string;
  /** Not eligible while this returns true: its process is frozen. */
  isHeld?(): boolean;
  /** What is answered becomes a part of the trace. */
  run(): Promise<string> | string;
}

/** A step that was not the usual one: at this step the action with this key was taken. */
export interface Deviation {
  readonly step: number;
  readonly key: string;
}

export interface SchedulerOptions {
  readonly seed: number;
  readonly startMs: number;
  /** Takes exactly these deviations instead of random ones. */
  readonly replay?: readonly Deviation[] | undefined;
  /** The deviations are not those of a whole run: faults may come somewhat earlier or later than they did. */
  readonly isPart?: boolean | undefined;
  /** How often a step is a fault, 0 to 1; by default the seed decides. */
  readonly faultRate?: number | undefined;
  /** Ports that the run may look at closely, beside those of every run. */
  readonly ports?: readonly string[] | undefined;
}

interface Timed extends Action {
  readonly atMs: number;
  /** Timers of one owner end in order. */
  readonly owner: string;
}

export type Scheduler = ReturnType<typeof createScheduler>;

const MAX_STEP_MS = 3;
/** How long nothing happens at most although something could: far less than a lease, of which each has to say when it may end. */
const LONGEST_STANDSTILL_MS = 10_000;
const ADVANCE = "time passes";
const FORGOTTEN_AFTER_STEPS = 200;
const EARLIER_STEPS = 200;
/** More than there are. */
const KINDS = 16;
const FAULT = "fault: ";

export const isFault = (key: string): boolean => key.startsWith(FAULT);

/**
 * Decides what happens next, and runs one thing at a time: an action, until nothing more follows from it. Without deviations the
 * oldest action comes first. All choices derive from the seed.
 */
export function createScheduler({ seed, startMs, replay, isPart = false, faultRate, ports = [] }: SchedulerOptions) {
  const random = randomOf(seed);
  const trace: Trace = createTrace();
  const offered = new Set<Action>();
  /** The next one first. */
  const timers: Timed[] = [];
  const deviations: Deviation[] = [];
  const pending = [...(replay ?? [])];
  /** How adventurous this run is. */
  const deviating = [0.02, 0.1, 0.4, 0.9][Math.floor(random() * 4)] ?? 0.1;
  const usualRate = [0, 0.002, 0.01, 0.03][Math.floor(random() * 4)] ?? 0;
  const faulty = faultRate ?? usualRate;
  /** Which kinds of faults this run has: few kinds come closer to some bugs than all of them (swarm testing). */
  const happens = Array.from({ length: KINDS }, () => random() < 0.5);
  let faults: () => readonly (readonly Action[])[] = () => [];
  const focus = createFocus(seed, [...PORTS, ...ports]);
  let isCalm = false;
  let nowMs = startMs;
  let steps = 0;

  const eligible = (action: Action): boolean => action.isHeld?.() !== true;

  /** The oldest first. */
  function ready(): Action[] {
    return [...[...offered].filter(eligible), ...dueTimers()];
  }

  function dueTimers(): Timed[] {
    const owners = new Set<string>();
    const due: Timed[] = [];
    for (const timer of timers) {
      if (timer.atMs > nowMs) break;
      if (owners.has(timer.owner) || !eligible(timer)) continue;
      owners.add(timer.owner);
      due.push(timer);
    }
    return due;
  }

  /** To the next timer. Right after a leap, that may be far away: those that are due by then have not been set again. */
  function advance(withinMs = Number.POSITIVE_INFINITY): Action | undefined {
    const next = timers.find((timer) => timer.atMs > nowMs && eligible(timer));
    if (next === undefined || next.atMs > nowMs + withinMs) return undefined;
    return {
      key: ADVANCE,
      run: () => {
        nowMs = Math.max(nowMs, next.atMs);
        return "";
      },
    };
  }

  function withdraw(timer: Timed): void {
    const place = timers.indexOf(timer);
    if (place >= 0) timers.splice(place, 1);
  }

  function usual(choices: readonly Action[]): Action {
    const [first = advance()] = choices;
    if (first === undefined) throw new Error("the simulation is stuck: nothing can happen any more");
    return first;
  }

  function choose(): Action {
    const choices = ready();
    const first = usual(choices);
    const other = replay === undefined ? randomChoice(choices) : replayedChoice(choices);
    if (other === undefined || other.key === first.key) return first;
    deviations.push({ step: steps, key: other.key });
    return other;
  }

  function randomChoice(choices: readonly Action[]): Action | undefined {
    // Always as many numbers: a choice that is not there does not change those after it.
    const [fault, deviation, which, passing] = [random(), random(), random(), random()];
    const near = isCalm || faulty === 0 ? undefined : focus.of(() => faults().flat());
    if (near !== undefined) return near;
    if (!isCalm && fault < faulty) {
      const kinds = faults().filter(({ length }, index) => length > 0 && happens[index % happens.length]);
      const place = which * kinds.length;
      const chosen = pickEvenly(kinds[Math.floor(place)] ?? [], place % 1);
      if (chosen !== undefined) return chosen;
    }
    if (deviation >= deviating) return undefined;
    if (passing < 0.05) return advance(LONGEST_STANDSTILL_MS);
    return choices[Math.floor(which * choices.length)];
  }

  /**
   * The first deviation that is due and possible. In a run without some of the others it may become possible later than it was, or
   * not at all: then it is forgotten.
   */
  function replayedChoice(choices: readonly Action[]): Action | undefined {
    while (pending[0] !== undefined && pending[0].step < steps - FORGOTTEN_AFTER_STEPS) pending.shift();
    const until = isPart ? steps + EARLIER_STEPS : steps;
    if (pending[0] === undefined || pending[0].step > until) return undefined;
    const possible = new Map([...choices, ...faults().flat()].map((choice) => [choice.key, choice]));
    for (const [index, { step: due, key }] of pending.entries()) {
      if (due > until) break;
      if (due > steps && !isFault(key)) continue;
      const choice = key === ADVANCE ? advance(LONGEST_STANDSTILL_MS) : possible.get(key);
      if (choice === undefined) continue;
      pending.splice(index, 1);
      return choice;
    }
    return undefined;
  }

  async function step(): Promise<void> {
    const action = choose();
    if (offered.has(action)) offered.delete(action);
    withdraw(action as Timed);
    const result = await action.run();
    await settled();
    trace.add(`${steps} ${nowMs - startMs} ${action.key}${result === "" ? "" : ` -> ${result}`}`);
    steps += 1;
    nowMs += steps % (MAX_STEP_MS + 1);
  }

  return {
    trace,
    seed,
    nowMs: () => nowMs,
    steps: () => steps,
    /** What deviated from the usual order so far. */
    deviations: (): readonly Deviation[] => deviations,
    /** The faults that are possible at any moment, by kind; each kind is as likely as another one. */
    setFaults(source: () => readonly (readonly Action[])[]): void {
      faults = source;
    },
    /** No more faults. */
    calm(): void {
      isCalm = true;
    },
    /** Faults again. */
    disturb(): void {
      isCalm = false;
    },
    /** Time passes in which nothing ran: every timer is over. */
    leapTo(ms: number): void {
      nowMs = Math.max(nowMs, ms);
    },
    /** May happen from now on, once; the answer withdraws it. */
    offer(action: Action): () => void {
      offered.add(action);
      return () => void offered.delete(action);
    },
    /** May happen in `ms` or later, once; the answer withdraws it. */
    after(ms: number, owner: string, action: Action): () => void {
      const timed: Timed = { ...action, owner, atMs: nowMs + Math.ceil(Math.max(0, ms)) };
      timers.splice(timers.findLastIndex(({ atMs }) => atMs <= timed.atMs) + 1, 0, timed);
      return () => withdraw(timed);
    },
    /** A generator of its own for one actor: others do not change what it draws. */
    randomFor: (name: string) => randomOf(hashOf(`${seed} ${name}`)),
    step,
  };
}

/** Names are as likely as each other, however many actions have one: what is rare is as interesting as what is not. */
function pickEvenly(actions: readonly Action[], fraction: number): Action | undefined {
  const byName = new Map<string, Action[]>();
  for (const action of actions) {
    const name = action.key.replace(/#\d+|\S+\.\d+ | after .*/g, "");
    byName.set(name, [...(byName.get(name) ?? []), action]);
  }
  const place = fraction * byName.size;
  const named = [...byName.values()][Math.floor(place)] ?? [];
  return named[Math.floor((place % 1) * named.length)];
}

/** What a run may look at closely; some runs look at nothing. */
const PORTS = ["append", "counters", "job", "COMMIT", undefined];
/** How likely a fault is there. */
const RATE = 0.3;
/** In the key of a fault: a call of a process, without its number. */
const CALL = /.*\S\.\d+ (.+)#\d/;

/**
 * Faults beside what processes ask of one port: most promises break between two calls, where chance alone rarely strikes. Which
 * calls of the port those are, the seed decides. Each moment has one chance.
 */
function createFocus(seed: number, ports: readonly (string | undefined)[]) {
  const random = randomOf(hashOf(`${seed} focus`));
  const port = ports[Math.floor(random() * ports.length)];
  const salt = random();
  /** What had its chance, and what is not near the port. */
  const [seen, far] = [new Set<string>(), new Set<string>()];

  function isNear(key: string): boolean {
    if (port === undefined || !key.includes(port) || key.includes("another clock")) return false;
    const words = (CALL.exec(key)?.[1] ?? "").split(" ");
    if (!words.includes(port)) return false;
    const what = words.find((word) => word !== port)?.replace(/\/\d+$/, "");
    return randomOf(hashOf(`${salt} ${what}`))() < 0.5;
  }

  return {
    /** A fault that is to happen now, of the possible ones. */
    of<Fault extends { readonly key: string }>(possible: () => readonly Fault[]): Fault | undefined {
      if (port === undefined) return undefined;
      const near = possible().filter(({ key }) => {
        if (seen.has(key) || far.has(key)) return false;
        const is = isNear(key);
        if (!is) far.add(key);
        return is;
      });
      for (const { key } of near) seen.add(key);
      if (near.length === 0 || random() >= RATE) return undefined;
      return near[Math.floor(random() * near.length)];
    },
  };
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** All that follows from promises that are settled already. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
