import type { Logger } from "pino";
import { isOutOfTime, sqlStateOf } from "#kernel/database-time.js";
import { MetrlyError } from "#kernel/errors.js";
import { UpgradeRequired } from "#kernel/upgrade-required.js";
import { backoffMs } from "#platform/lifecycle/random.js";
import { monotonicMs, sleep } from "#platform/lifecycle/time.js";

const DEADLINE_MS = 90_000;
const BACKOFF = { firstMs: 250, longestMs: 3_000 };

/** Errors of a server that is absent or still starting. */
const NOT_YET = new Set(["ECONNREFUSED", "ECONNRESET", "ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT"]);
/** Of a database: it cannot be connected to, the connection broke, it stops, or it starts. */
const NO_SESSION = /^(?:08|57P0[123])/;

/**
 * Opens a resource of a server, or does the first work there, waiting for a server that is still starting: processes start in any
 * order. Again also where the database ended the session, as after a stop of the machine: but what always takes too long ends so each
 * time, so that is a warning. Other errors, and the deadline, throw.
 */
export async function untilReachable<T>(what: string, logger: Logger, open: () => Promise<T>): Promise<T> {
  const end = monotonicMs() + DEADLINE_MS;
  for (let failures = 1; ; failures += 1) {
    const pauseMs = backoffMs(BACKOFF, failures);
    try {
      return await open();
    } catch (error) {
      if (!isNotYet(error) || monotonicMs() + pauseMs > end) throw error;
      if (isOutOfTime(error)) {
        const leftSeconds = Math.ceil((end - monotonicMs()) / 1_000);
        logger.warn(
          { err: error, attempt: failures, leftSeconds },
          `${what} ended the work at a limit of time; it is tried again`,
        );
      } else logger.info({ err: error }, `waiting for ${what}`);
    }
    await sleep(pauseMs);
  }
}

const NOT_NOW: ReadonlySet<string> = new Set(["LOG_UNAVAILABLE", "UNAVAILABLE", "BUSY"]);

function isNotYet(error: unknown): boolean {
  if (error instanceof UpgradeRequired) return false;
  if (error instanceof MetrlyError) return NOT_NOW.has(error.code);
  if (error instanceof AggregateError) return error.errors.length > 0 && error.errors.every(isNotYet);
  if (!(error instanceof Error)) return false;
  if ("code" in error && typeof error.code === "string" && NOT_YET.has(error.code)) return true;
  if (isOutOfTime(error) || NO_SESSION.test(sqlStateOf(error) ?? "")) return true;
  return error.name.startsWith("KafkaJSConnection") || error.name === "KafkaJSNumberOfRetriesExceeded";
}
