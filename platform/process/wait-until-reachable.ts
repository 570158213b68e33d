import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { MetrlyError } from "#kernel/errors.js";
import { UpgradeRequired } from "#kernel/upgrade-required.js";

const DEADLINE_MS = 90_000;
const FIRST_PAUSE_MS = 250;
const MAX_PAUSE_MS = 3_000;

/** What says that a server is not there yet or is just starting, and nothing worse. */
const NOT_YET = new Set(["ECONNREFUSED", "ECONNRESET", "ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT", "57P03", "57P01"]);

/**
 * Opens something that a server provides, waiting for a server that is still starting: with several processes starting at
 * once nobody is first. Other errors, and the deadline, are thrown.
 */
export async function untilReachable<T>(what: string, logger: Logger, open: () => Promise<T>): Promise<T> {
  const end = Date.now() + DEADLINE_MS;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(MAX_PAUSE_MS, pauseMs * 2)) {
    try {
      return await open();
    } catch (error) {
      if (!isNotYet(error) || Date.now() + pauseMs > end) throw error;
      logger.info({ err: error }, `waiting for ${what}`);
    }
    await delay(pauseMs * (0.5 + Math.random() / 2));
  }
}

function isNotYet(error: unknown): boolean {
  if (error instanceof UpgradeRequired) return false;
  if (error instanceof MetrlyError) return error.code === "LOG_UNAVAILABLE" || error.code === "UNAVAILABLE";
  if (error instanceof AggregateError) return error.errors.length > 0 && error.errors.every(isNotYet);
  if (!(error instanceof Error)) return false;
  if ("code" in error && typeof error.code === "string" && NOT_YET.has(error.code)) return true;
  return error.name.startsWith("KafkaJSConnection") || error.name === "KafkaJSNumberOfRetriesExceeded";
}
