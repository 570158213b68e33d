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
