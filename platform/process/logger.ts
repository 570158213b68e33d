import { type Logger, pino } from "pino";
import type { LogLevel } from "./config.js";

/** The process's logger: JSON lines on standard error, so that standard output stays free for results. */
export function createLogger(level: LogLevel): Logger {
  return pino({ level, base: null, serializers: { err: describeError } }, pino.destination({ dest: 2, sync: true }));
}

/** The useful members of an error. Drivers attach whole connections to theirs, credentials included. */
function describeError(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error) };
  return {
    type: error.name,
    message: error.message,
    ...("code" in error && typeof error.code === "string" && { code: error.code }),
    stack: error.stack,
    ...(error.cause !== undefined && { cause: describeError(error.cause) }),
  };
}
