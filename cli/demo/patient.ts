import { MINUTE_MS } from "#kernel/duration.js";
import { ERROR_CODES, isErrorCode } from "#kernel/errors.js";
import { nowMs, sleep } from "#platform/lifecycle/time.js";
import { UserError } from "../connection/failure.js";

/** Far above what anything takes on a busy machine: a demo that fails ends the whole Metrly. */
export const HANGS_AFTER_MS = 10 * MINUTE_MS;
export const RETRY_MS = 250;

/** Asks again for as long as a service does not answer in time. */
export async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  for (const deadline = nowMs() + HANGS_AFTER_MS; ; await sleep(RETRY_MS)) {
    try {
      return await ask();
    } catch (error) {
      if (!isTemporary(error) || nowMs() > deadline) throw error;
    }
  }
}

function isTemporary(error: unknown): boolean {
  const code = error instanceof UserError ? error.code : undefined;
  return isErrorCode(code) && ERROR_CODES[code].status === 503;
}
