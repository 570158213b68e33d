import { readFileSync } from "node:fs";

/**
 * Whether this process may use its terminal: a job in the background is stopped if it does. Only Linux tells; elsewhere true.
 */
export function isInForeground(): boolean {
  try {
    // After the name, which may contain anything: state, parent, process group, session, terminal, the terminal's process group.
    const [, , group, , , ofTerminal] = readFileSync("/proc/self/stat", "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return group === ofTerminal;
  } catch {
    return true;
  }
}
