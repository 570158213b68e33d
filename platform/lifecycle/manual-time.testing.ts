import { replaceTime, type Time } from "./time.js";

export interface ManualTime extends Time {
  /** Moves both clocks forward, running the timers that become due, in order; then lets promises settle. */
  advance(ms: number): Promise<void>;
  /** Moves both clocks forward and runs nothing, as for a process that is stopped. */
  jump(ms: number): void;
  /** Timers that are not over. */
  pending(): number;
}

interface Due {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** A time that stands still until it is advanced. */
export function manualTime(startMs = 0): ManualTime {
  const timers = new Set<Due>();
  let nowMs = startMs;
  let order = 0;

  function after(ms: number, run: () => void) {
    order += 1;
    const due: Due = { at: nowMs + Math.max(0, ms), order, run };
    timers.add(due);
    return { cancel: () => void timers.delete(due) };
  }

  return {
    now: () => nowMs,
    monotonicMs: () => nowMs,
    after,
    nextTurn: (run) => void after(0, run),
    timeoutSignal(ms) {
      const controller = new AbortController();
      after(ms, () => controller.abort(new DOMException("The operation timed out", "TimeoutError")));
      return controller.signal;
    },
    async advance(ms) {
      const end = nowMs + ms;
      await settle();
      for (;;) {
        const [next] = [...timers].sort((a, b) => a.at - b.at || a.order - b.order);
        if (next === undefined || next.at > end) break;
        timers.delete(next);
        nowMs = Math.max(nowMs, next.at);
        next.run();
        await settle();
      }
      nowMs = end;
    },
    jump(ms) {
      nowMs += ms;
    },
    pending: () => timers.size,
  };
}

/** Installs a manual time; call the second to put the machine's back. */
export function installManualTime(startMs = 0): [time: ManualTime, restore: () => void] {
  const time = manualTime(startMs);
  return [time, replaceTime(time)];
}

/** All that follows from promises that are settled already. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
