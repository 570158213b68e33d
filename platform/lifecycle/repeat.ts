import { type Backoff, backoffMs } from "./random.js";
import { after, type Timer } from "./time.js";

export interface RepeatOptions {
  /** The pause from the end of a turn to the start of the next. */
  readonly everyMs: number;
  /** When the first turn starts: immediately (the default), or after the first pause or kick. */
  readonly first?: "now" | "later";
  /** How long to pause after failed turns; a kick does not shorten that. Without it, they pause like the others. */
  readonly backoff?: Backoff;
  /** The process may exit while the loop pauses. */
  readonly unref?: boolean;
  /** One turn. `stopping` aborts when the loop is stopped: a long turn then ends early. */
  run(stopping: AbortSignal): Promise<unknown>;
  /** Handles the error of a failed turn. An exception of this handler is an unhandled rejection: a bug. */
  readonly onError: (error: unknown) => void;
}

export interface Repeat {
  /** Starts a turn now; during a turn: exactly one more right after it. */
  kick(): void;
  /** Resolves when the running turn has ended; no other starts. A turn may call this, but must not await it. */
  stop(): Promise<void>;
}

/** Runs turns one after the other, until it is stopped. */
export function repeat(options: RepeatOptions): Repeat {
  const { everyMs, first = "now", backoff, unref = false } = options;
  const stopping = new AbortController();
  let timer: Timer | undefined;
  let running: Promise<void> | undefined;
  let isKicked = false;
  let failures = 0;

  function start(): void {
    timer?.cancel();
    isKicked = false;
    running = Promise.resolve().then(turn).finally(scheduleNext);
  }

  async function turn(): Promise<void> {
    if (stopping.signal.aborted) return;
    try {
      await options.run(stopping.signal);
      failures = 0;
    } catch (error) {
      failures += 1;
      options.onError(error);
    }
  }

  function scheduleNext(): void {
    running = undefined;
    if (stopping.signal.aborted) return;
    if (backoff !== undefined && failures > 0) timer = after(backoffMs(backoff, failures), start, { unref });
    else if (isKicked) start();
    else timer = after(everyMs, start, { unref });
  }

  if (first === "now") start();
  else timer = after(everyMs, start, { unref });
  return {
    kick() {
      if (running !== undefined) isKicked = true;
      else if (!stopping.signal.aborted && (backoff === undefined || failures === 0)) start();
    },
    async stop() {
      stopping.abort();
      timer?.cancel();
      await running;
    },
  };
}
