import { every, type Timer } from "#platform/lifecycle/time.js";

const CHECK_MS = 250;

let watch: Timer | undefined;

/**
 * Ends this process like SIGTERM when npx is ended: npx hands that signal only to the shell between them, which dies of it. Without
 * npx it does nothing.
 */
export function endWithShellOfNpx(): void {
  // What else npx runs may start a `metrly` that outlives it.
  const isOwn = process.env.npm_lifecycle_event === "npx" && COMMAND.test(process.env.npm_lifecycle_script ?? "");
  if (!isOwn) return;
  const shell = process.ppid;
  watch = every(CHECK_MS, check, { unref: true });
  function check(): void {
    if (process.ppid === shell) return;
    leaveShellOfNpx();
    process.kill(process.pid, "SIGTERM");
  }
}

/** To be called when a signal has come to this process itself: the end of the shell then says nothing new. */
export function leaveShellOfNpx(): void {
  watch?.cancel();
  watch = undefined;
}

const COMMAND = /^["']?metrly["']?(?:\s|$)/;
