import type { EventLog } from "#platform/event-log/event-log.js";
import { apiKeysUsedV1 } from "#schema/events/api-keys-used.v1.js";
import { API_KEYS_USED } from "#schema/topics.js";
import type { TenancyCopy } from "./copy.js";

const REPORT_EVERY_MS = 5_000;

export interface KeyUseReports {
  /** Reports what is left. */
  stop(): Promise<void>;
}

/** Tells tenancy which keys this process has seen used. While the log is down it tells nothing: these are hints. */
export function startKeyUseReports(
  tenancy: Pick<TenancyCopy, "takeKeyUses">,
  log: Pick<EventLog, "append">,
  everyMs: number = REPORT_EVERY_MS,
): KeyUseReports {
  let running = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  async function report(): Promise<void> {
    const uses = [...tenancy.takeKeyUses()].map(([keyId, at]) => ({ keyId, at }));
    if (uses.length === 0) return;
    const value = Buffer.from(JSON.stringify(apiKeysUsedV1.parse({ uses })));
    await log.append(API_KEYS_USED, 0, [{ value }]).catch(() => undefined);
  }

  function watch(): void {
    timer = setTimeout(() => {
      running = report().finally(() => {
        if (!stopped) watch();
      });
    }, everyMs);
    timer.unref();
  }

  watch();
  return {
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await running;
      await report();
    },
  };
}
