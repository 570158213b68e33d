import { monotonicMs } from "#platform/lifecycle/time.js";
import { onSignals } from "../signals.js";

/** Ctrl-C, an orderly stop, a closed terminal. */
export const STOP_SIGNALS: ("SIGINT" | "SIGTERM" | "SIGHUP")[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/** Signals this close together are one request: a terminal's Ctrl-C reaches npm and the server, and npm forwards its own. */
const SAME_REQUEST_MS = 1_000;

interface StopSignalHandlers {
  /** Called for the first signal. */
  stop(signal: NodeJS.Signals): void;
  /** Called for the third signal, and for one that arrives a second after the first. */
  hurry(signal: NodeJS.Signals): void;
}

/** Handles the signals that end this process, for as long as it lives. */
export function onStopSignals({ stop, hurry }: StopSignalHandlers): void {
  let received = 0;
  let firstAt = 0;
  onSignals(STOP_SIGNALS, (signal) => {
    received++;
    if (received === 1) {
      firstAt = monotonicMs();
      stop(signal);
    } else if (received > 2 || monotonicMs() - firstAt >= SAME_REQUEST_MS) hurry(signal);
  });
}
