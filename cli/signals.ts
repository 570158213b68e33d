import { leaveShellOfNpx } from "./shell-of-npx.js";

/**
 * Calls `handle` for each of these signals that comes to this process; with `once`, a second one of the same name ends the process.
 * Every command handles signals through this. Returns how to stop.
 */
export function onSignals(
  signals: readonly NodeJS.Signals[],
  handle: (signal: NodeJS.Signals) => void,
  { once = false } = {},
): () => void {
  function received(signal: NodeJS.Signals): void {
    leaveShellOfNpx();
    handle(signal);
  }
  for (const signal of signals) {
    if (once) process.once(signal, received);
    else process.on(signal, received);
  }
  return () => {
    for (const signal of signals) process.off(signal, received);
  };
}
