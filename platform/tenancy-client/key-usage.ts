import type { EventLog } from "#platform/event-log/event-log.js";
import { repeat } from "#platform/lifecycle/repeat.js";
import { apiKeysUsedV1 } from "#schema/events/api-keys-used.v1.js";
import { API_KEYS_USED } from "#schema/topics.js";
import type { TenancyCopy } from "./copy.js";

const REPORT_EVERY_MS = 5_000;

export interface KeyUseReports {
  stop(): Promise<void>;
}

/** Reports used keys to tenancy. While the log is down it drops them: these are hints. */
export function startKeyUseReports(
  tenancy: Pick<TenancyCopy, "takeKeyUses">,
  log: Pick<EventLog, "append">,
  everyMs: number = REPORT_EVERY_MS,
): KeyUseReports {
  async function report(): Promise<void> {
    const uses = [...tenancy.takeKeyUses()].map(([keyId, at]) => ({ keyId, at }));
    if (uses.length === 0) return;
    const value = Buffer.from(JSON.stringify(apiKeysUsedV1.parse({ uses })));
    await log.append(API_KEYS_USED, 0, [{ value }]).catch(() => undefined);
  }

  const reports = repeat({ everyMs, first: "later", unref: true, run: report, onError: rethrow });
  return {
    async stop() {
      await reports.stop();
      await report();
    },
  };
}

/** A log that is down is no error here, so that this is a bug. */
function rethrow(error: unknown): never {
  throw error;
}
