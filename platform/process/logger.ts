import { type Logger, pino } from "pino";
import { isNotNow } from "#kernel/database-time.js";
import { type ErrorCode, MetrlyError } from "#kernel/errors.js";
import { UpgradeRequired } from "#kernel/upgrade-required.js";
import type { LogLevel } from "./config.js";
import { omitRepeatedLines } from "./repeated-lines.js";

/** A longer line is cut: a hostile value, or an error that repeats one, must not fill the log. */
const MAX_LINE_BYTES = 16_384;
/** Of a cut line; twice or three times as many bytes when they are escaped, or are no ASCII. */
const KEPT_CHARACTERS = 4_000;

/** Where the logger writes its lines, each with its line feed. */
export type LogDestination = Pick<NodeJS.WritableStream, "write"> | { write(line: string): void };

/**
 * The process's logger: JSON lines of at most 16 KiB on standard error, so that standard output stays free for results. Of lines
 * that repeat a message, at most 100 in ten seconds.
 */
export function createLogger(
  level: LogLevel,
  destination: LogDestination = pino.destination({ dest: 2, sync: true }),
): Logger {
  const bounded = { write: (line: string) => void destination.write(boundedLine(line)) };
  return pino(
    { level, base: null, serializers: { err: describeError }, hooks: { logMethod: omitRepeatedLines() } },
    bounded,
  );
}

/**
 * Logs why work failed that will be retried: as a warning if a server refused for now what it may do later, as an error otherwise,
 * because only somebody can mend that.
 */
export function logRetried(logger: Logger, error: unknown, what: string): void {
  logger[isForNow(error) ? "warn" : "error"]({ err: error }, what);
}

const FOR_NOW: ReadonlySet<ErrorCode> = new Set(["BUSY", "LOG_UNAVAILABLE", "UNAVAILABLE"]);

const isForNow = (error: unknown): boolean =>
  isNotNow(error) || (error instanceof MetrlyError && FOR_NOW.has(error.code) && !(error instanceof UpgradeRequired));

/** A line that is too long as another one that has its beginning: level, time, and what came first. */
function boundedLine(line: string): string {
  // UTF-8 has at most 3 bytes for each UTF-16 unit.
  if (line.length * 3 <= MAX_LINE_BYTES || Buffer.byteLength(line) <= MAX_LINE_BYTES) return line;
  const { level, time, service, msg }: Record<string, unknown> = JSON.parse(line);
  const text = typeof msg === "string" ? msg.slice(0, KEPT_CHARACTERS / 4) : undefined;
  const cut = line.slice(0, KEPT_CHARACTERS);
  return `${JSON.stringify({ level, time, service, msg: text, bytes: Buffer.byteLength(line), cut })}\n`;
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
