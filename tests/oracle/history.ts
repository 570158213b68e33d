/** Whether a request happened: it did (`ok`), it did not (`failed`), or nobody knows (no answer, or a server's error). */
export type Outcome = "ok" | "failed" | "unknown";

/** A line of a history; README.md says what each `op` has as `input` and `answer`. Times are ms of the clients' one clock. */
export interface Line {
  readonly op: string;
  readonly outcome?: Outcome;
  readonly sent: number;
  readonly answered?: number;
  readonly input?: object;
  readonly answer?: unknown;
}
/** What clients did, in the order in which they sent it. */
export interface History {
  readonly lines: Line[];
  /** Times a request and keeps it with its answer; what `ask` throws is thrown, and the outcome is unknown. */
  record<Answer>(op: string, input: object, ask: () => Promise<Told<Answer>>): Promise<Told<Answer>>;
  /** Keeps what was noticed and not asked for: `webhook`, `fault`. */
  note(op: string, input?: object): void;
}

export interface Told<Answer> {
  readonly outcome: Outcome;
  /** Of an `ok` request. */
  readonly answer?: Answer;
}

/** ms since 1970, with fractions. */
export const wallClock = (): number => performance.timeOrigin + performance.now();

/** `clock` has to be the same for all clients, in ms since 1970. */
export function createHistory(clock: () => number): History {
  const lines: Line[] = [];
  let last = 0;
  /** Never the same twice, so that what was answered before something was sent is known to be. */
  function now(): number {
    last = Math.max(last + 0.001, clock());
    return Math.round(last * 1_000) / 1_000;
  }
  return {
    lines,
    async record(op, input, ask) {
      const at = lines.length;
      const sent = now();
      lines.push({ op, outcome: "unknown", sent, input });
      const told = await ask();
      lines[at] = { op, ...told, sent, ...(told.outcome !== "unknown" && { answered: now() }), input };
      return told;
    },
    note(op, input = {}) {
      const at = now();
      lines.push({ op, sent: at, answered: at, input });
    },
  };
}
