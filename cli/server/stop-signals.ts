import { monotonicMs } from "#platform/lifecycle/time.js";
import { onSignals } from "../signals.js";

/** Ctrl-C, an orderly stop, a closed terminal. */
export const STOP_SIGNALS: ("SIGINT" | "SIGTERM" | "SIGHUP")[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/** Signals this close together are one request: a terminal's Ctrl-C reaches npm and the server, and npm forwards its own. */
const SAME_REQUEST_MS = 100;
/** A second request this long after the first is impatience. */
const PATIENCE_MS = 1_000;
/** Under npm the second signal may be the first Ctrl-C, which npm passes on this late, when the machine stands still. */
const PASSED_ON_WITHIN_MS = 3_000;

interface StopSignalHandlers {
  /** Called for the first signal. */
  stop(signal: NodeJS.Signals): void;
  /** Called for the third request, and for one that comes a second after the first; see `meaningOfSignals`. */
  hurry(signal: NodeJS.Signals): void;
}

/** Handles the signals that end this process, for as long as it lives. */
export function onStopSignals({ stop, hurry }: StopSignalHandlers): void {
  const meaningAt = meaningOfSignals({ isUnderNpm: process.env.npm_lifecycle_event !== undefined });
  onSignals(STOP_SIGNALS, (signal) => {
    const meaning = meaningAt(monotonicMs());
    if (meaning === "stop") stop(signal);
    else if (meaning === "hurry") hurry(signal);
  });
}

/** What each signal means that arrives at a monotonic time, in ms. Under npm a second signal hurries after 3 s, later ones after 1 s. */
export function meaningOfSignals({
  isUnderNpm,
}: {
  readonly isUnderNpm: boolean;
}): (at: number) => "stop" | "hurry" | "nothing" {
  let signals = 0;
  let requests = 0;
  let firstAt = 0;
  let lastAt = Number.NEGATIVE_INFINITY;
  return (at) => {
    signals += 1;
    const isSameRequest = at - lastAt < SAME_REQUEST_MS;
    lastAt = at;
    if (isSameRequest) return "nothing";
    requests += 1;
    if (signals === 1) {
      firstAt = at;
      return "stop";
    }
    const patienceMs = isUnderNpm && signals === 2 ? PASSED_ON_WITHIN_MS : PATIENCE_MS;
    return requests > 2 || at - firstAt >= patienceMs ? "hurry" : "nothing";
  };
}
