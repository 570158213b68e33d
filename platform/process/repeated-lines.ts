import type { LoggerOptions } from "pino";
import { after, monotonicMs } from "#platform/lifecycle/time.js";

/** Lines with the same level and message in a window; further ones are counted. */
const MAX_LINES = 100;
const WINDOW_MS = 10_000;
/** Messages are constants, of which a process has fewer; more are counted from the beginning. */
const MAX_MESSAGES = 1_000;
/** A process logs one fatal line, and ends. */
const FATAL = 60;

type LogMethod = NonNullable<NonNullable<LoggerOptions["hooks"]>["logMethod"]>;

interface Window {
  readonly endsMs: number;
  lines: number;
  omitted: number;
}

/**
 * Writes at most 100 lines with the same level and message in ten seconds: what fails a thousand times a second must not fill the
 * disk. How many were omitted is logged at the end of the window, with the same level and message, as `omitted`.
 */
export function omitRepeatedLines(): LogMethod {
  const windows = new Map<string, Window>();
  return function logMethod(args, method, level) {
    const message = args.find((value: unknown) => typeof value === "string");
    const window = windowOf(`${level} ${message}`);
    if (level >= FATAL || window.lines < MAX_LINES) {
      window.lines += 1;
      method.apply(this, args);
      return;
    }
    if (window.omitted === 0) {
      const report = () => method.apply(this, [{ omitted: window.omitted }, message]);
      after(Math.max(0, window.endsMs - monotonicMs()), report, { unref: true });
    }
    window.omitted += 1;
  };

  function windowOf(key: string): Window {
    const nowMs = monotonicMs();
    const known = windows.get(key);
    if (known !== undefined && nowMs < known.endsMs) return known;
    if (known === undefined && windows.size >= MAX_MESSAGES) windows.clear();
    const window = { endsMs: nowMs + WINDOW_MS, lines: 0, omitted: 0 };
    windows.set(key, window);
    return window;
  }
}
