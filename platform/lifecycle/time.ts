/**
 * The machine's time: clocks and timers. Production code reads them through the functions below and nowhere else, so that
 * a simulation can replace them for a whole process (docs/decisions/0012). What a service treats as business time is the
 * `Clock` of its context, which tests set by hand.
 */
export interface Time {
  now(): number;
  monotonicMs(): number;
  after(ms: number, run: () => void, options: TimerOptions): Timer;
  nextTurn(run: () => void): void;
  timeoutSignal(ms: number): AbortSignal;
}

export interface Timer {
  /** Nothing happens when the timer is over. */
  cancel(): void;
}

export interface TimerOptions {
  /** The process may exit before the timer is over. */
  readonly unref?: boolean;
}

/** What is not replaced; a replacement may fall back on it. */
export const machineTime: Time = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(ms, run, { unref = false }) {
    const timer = setTimeout(run, ms);
    if (unref) timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
  nextTurn: (run) => void setImmediate(run),
  timeoutSignal: (ms) => AbortSignal.timeout(ms),
};

let current = machineTime;

/** Replaces the time of this process until the returned function is called. For tests and simulations. */
export function replaceTime(replacement: Time): () => void {
  const before = current;
  current = replacement;
  return () => {
    current = before;
  };
}

/** Wall clock, epoch ms. It may jump. */
export const nowMs = (): number => current.now();

/** A clock that never jumps, ms from an arbitrary origin: for durations and deadlines inside one process. */
export const monotonicMs = (): number => current.monotonicMs();

/** A moment on both clocks. */
export interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

export const momentNow = (): Moment => ({ monotonic: monotonicMs(), wall: nowMs() });

/** How long ago that was, ms, by the clock that ran faster: one of them stands still while the machine sleeps. */
export const msSince = ({ monotonic, wall }: Moment): number => Math.max(monotonicMs() - monotonic, nowMs() - wall);

/** Calls `run` once, in `ms`. */
export const after = (ms: number, run: () => void, options: TimerOptions = {}): Timer =>
  current.after(ms, run, options);

/** Calls `run` after the I/O that is ready now: inputs of one turn of the event loop are batched. */
export const nextTurn = (run: () => void): void => current.nextTurn(run);

/** Aborts in `ms`, with a `TimeoutError` as its reason; does not keep the process alive. */
export const timeoutSignal = (ms: number): AbortSignal => current.timeoutSignal(ms);

const SLICES = 20;

/**
 * Aborts when this process has had `ms` to work in: while it or its machine stands still, no more than a twentieth passes, so
 * that what came meanwhile is not late. Does not keep the process alive.
 */
export function awakeSignal(ms: number): AbortSignal {
  const ended = new AbortController();
  let left = SLICES;
  function slice(): void {
    if (left === 0) ended.abort(new DOMException("The operation timed out", "TimeoutError"));
    else after(ms / SLICES, slice, { unref: true });
    left -= 1;
  }
  slice();
  return ended.signal;
}

/** Calls `run` every `ms` until it is cancelled. For synchronous work; `repeat` is for the rest. */
export function every(ms: number, run: () => void, options: TimerOptions = {}): Timer {
  let timer = after(ms, turn, options);
  function turn(): void {
    timer = after(ms, turn, options);
    run();
  }
  return { cancel: () => timer.cancel() };
}

/** What `work` settles with; undefined when that takes longer than `ms`. */
export async function within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  let timer: Timer | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = after(ms, () => resolve(undefined));
  });
  return Promise.race([work, late]).finally(() => timer?.cancel());
}

/** Resolves in `ms`, or as soon as `signal` aborts. Never rejects. */
export function sleep(ms: number, signal?: AbortSignal, options: TimerOptions = {}): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const timer = after(ms, end, options);
    function end(): void {
      timer.cancel();
      signal?.removeEventListener("abort", end);
      resolve();
    }
    signal?.addEventListener("abort", end);
  });
}
