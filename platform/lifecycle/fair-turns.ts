import { MetrlyError } from "#kernel/errors.js";

/** Limits of work that callers, a tenant for example, take turns at. */
export interface TurnLimits {
  /** Turns of all callers. */
  readonly atOnce: number;
  readonly perCaller: number;
  /** Waiting for a turn: more are refused. */
  readonly waitingPerCaller: number;
  readonly waiting: number;
  /** Of the work that waits; default: not counted. */
  readonly waitingBytesPerCaller?: number;
  readonly waitingBytes?: number;
}

export interface FairTurns {
  /**
   * Resolves when the caller's turn starts; undefined: too much waits. `bytesOf`: what the work holds while it waits. Rejects, and
   * gives up the place, when `signal` aborts before the turn starts. Throws its reason if it has aborted already.
   */
  take(caller: string, bytesOf?: () => number, signal?: AbortSignal): Promise<void> | undefined;
  /** Ends one turn of the caller. */
  end(caller: string): void;
}

interface Waiting {
  readonly bytes: number;
  start(): void;
}

/** Turns go round the callers that wait, so that none waits for all of another's. */
export function createFairTurns(limits: TurnLimits): FairTurns {
  const { waitingBytesPerCaller = Number.POSITIVE_INFINITY, waitingBytes = Number.POSITIVE_INFINITY } = limits;
  const runningOf = new Map<string, number>();
  // A Map keeps insertion order: a caller that was served goes to the end.
  const lines = new Map<string, Waiting[]>();
  let running = 0;
  let waiting = { count: 0, bytes: 0 };

  const mayStart = (caller: string): boolean =>
    running < limits.atOnce && (runningOf.get(caller) ?? 0) < limits.perCaller;

  function begin(caller: string): void {
    running += 1;
    runningOf.set(caller, (runningOf.get(caller) ?? 0) + 1);
  }

  function startNext(): void {
    for (const [caller, line] of lines) {
      if (running >= limits.atOnce) return;
      if (!mayStart(caller)) continue;
      const next = line.shift();
      lines.delete(caller);
      // Visited again in this round, after the others.
      if (line.length > 0) lines.set(caller, line);
      if (next === undefined) continue;
      waiting = { count: waiting.count - 1, bytes: waiting.bytes - next.bytes };
      begin(caller);
      next.start();
    }
  }

  /** Whether it still waited. */
  function giveUp(caller: string, place: Waiting): boolean {
    const line = lines.get(caller) ?? [];
    if (!line.includes(place)) return false;
    const left = line.filter((one) => one !== place);
    if (left.length > 0) lines.set(caller, left);
    else lines.delete(caller);
    waiting = { count: waiting.count - 1, bytes: waiting.bytes - place.bytes };
    return true;
  }

  return {
    take(caller, bytesOf = () => 0, signal) {
      signal?.throwIfAborted();
      const line = lines.get(caller) ?? [];
      // Nobody who may start waits.
      if (mayStart(caller)) {
        begin(caller);
        return Promise.resolve();
      }
      if (line.length >= limits.waitingPerCaller || waiting.count >= limits.waiting) return undefined;
      const bytes = bytesOf();
      const ofCaller = line.reduce((sum, one) => sum + one.bytes, bytes);
      if (ofCaller > waitingBytesPerCaller || waiting.bytes + bytes > waitingBytes) return undefined;
      waiting = { count: waiting.count + 1, bytes: waiting.bytes + bytes };
      return new Promise<void>((start, reject) => {
        const place: Waiting = {
          bytes,
          start() {
            signal?.removeEventListener("abort", leave);
            start();
          },
        };
        function leave(): void {
          if (giveUp(caller, place)) reject(signal?.reason);
        }
        lines.set(caller, [...line, place]);
        signal?.addEventListener("abort", leave, { once: true });
      });
    },
    end(caller) {
      const left = (runningOf.get(caller) ?? 0) - 1;
      if (left > 0) runningOf.set(caller, left);
      else runningOf.delete(caller);
      running -= 1;
      startNext();
    },
  };
}

export interface TurnRequest {
  /** What the work holds while it waits. */
  readonly bytes?: number;
  /** Gives up its place in the line when it aborts; the running work looks at it itself. */
  readonly signal?: AbortSignal | undefined;
}

/** Runs `work` in a turn of the caller. Throws BUSY with this text when too many wait, and the signal's reason. */
export async function inTurn<T>(
  turns: FairTurns,
  caller: string,
  busy: string,
  work: () => Promise<T>,
  { bytes = 0, signal }: TurnRequest = {},
): Promise<T> {
  const turn = turns.take(caller, () => bytes, signal);
  if (turn === undefined) throw new MetrlyError("BUSY", busy);
  await turn;
  try {
    return await work();
  } finally {
    turns.end(caller);
  }
}
