/** Limits of work that callers, a tenant for example, take turns at. */
export interface TurnLimits {
  /** Turns of all callers. */
  readonly atOnce: number;
  readonly perCaller: number;
  /** Waiting for a turn: more are refused. */
  readonly waitingPerCaller: number;
  readonly waiting: number;
}

export interface FairTurns {
  /** Resolves when the caller's turn starts; undefined: too many wait. */
  take(caller: string): Promise<void> | undefined;
  /** Ends one turn of the caller. */
  end(caller: string): void;
}

/** Turns go round the callers that wait, so that none waits for all of another's. */
export function createFairTurns(limits: TurnLimits): FairTurns {
  const runningOf = new Map<string, number>();
  // A Map keeps insertion order: a caller that was served goes to the end.
  const lines = new Map<string, (() => void)[]>();
  let running = 0;
  let waiting = 0;

  const mayStart = (caller: string): boolean =>
    running < limits.atOnce && (runningOf.get(caller) ?? 0) < limits.perCaller;

  function startNext(): void {
    for (const [caller, line] of lines) {
      if (running >= limits.atOnce) return;
      if (!mayStart(caller)) continue;
      const start = line.shift();
      lines.delete(caller);
      // Visited again in this round, after the others.
      if (line.length > 0) lines.set(caller, line);
      waiting -= 1;
      running += 1;
      runningOf.set(caller, (runningOf.get(caller) ?? 0) + 1);
      start?.();
    }
  }

  return {
    take(caller) {
      const line = lines.get(caller) ?? [];
      if (!mayStart(caller) && (line.length >= limits.waitingPerCaller || waiting >= limits.waiting)) return undefined;
      return new Promise<void>((resolve) => {
        line.push(resolve);
        lines.set(caller, line);
        waiting += 1;
        startNext();
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
