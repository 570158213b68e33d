import { readFileSync } from "node:fs";
import { every, type Timer } from "#platform/lifecycle/time.js";

const CHECK_MS = 250;

let watch: Timer | undefined;

/**
 * Ends this process like SIGTERM when npx is ended: npx hands that signal only to the shell between them, which dies of it. Without
 * npx it does nothing. To be called first: while a command loads, the shell may end, too.
 */
export function endWithShellOfNpx(): void {
  // What else npx runs may start a `metrly` that outlives it.
  const isOwn = process.env.npm_lifecycle_event === "npx" && COMMAND.test(process.env.npm_lifecycle_script ?? "");
  if (!isOwn) return;
  const shell = process.ppid;
  if (isStranger(shell)) {
    end();
    return;
  }
  let isGone = false;
  watch = every(CHECK_MS, check, { unref: true });
  function check(): void {
    if (process.ppid === shell) return;
    // A signal to all of them may reach the shell first.
    if (isGone) end();
    isGone = true;
  }
}

/** To be called when a signal has come to this process itself: the end of the shell then says nothing new. */
export function leaveShellOfNpx(): void {
  watch?.cancel();
  watch = undefined;
}

/** One plain command. */
const COMMAND = /^(?:metrly|'metrly'|"metrly")(?:\s[^&|;\n]*)?$/;

/** Whether this parent has adopted this process, because the shell had ended already. Only Linux tells; elsewhere false. */
function isStranger(parent: number): boolean {
  try {
    const commandLine = readFileSync(`/proc/${parent}/cmdline`, "utf8");
    // A shell has the command in it; some become the command, whose parent is then npx, which calls itself npm.
    return commandLine !== "" && !/metrly|npx|npm/.test(commandLine);
  } catch {
    return false;
  }
}

function end(): void {
  leaveShellOfNpx();
  process.kill(process.pid, "SIGTERM");
}
