import type { Clock } from "#kernel/clock.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import { consumerReasons } from "#platform/event-log/readiness.js";
import { awakeSignal } from "#platform/lifecycle/time.js";
import type { Readiness } from "#platform/process/service.js";
import { USAGE_RECEIVED } from "#schema/topics.js";
import type { AccountingWatch } from "../accounting/watch.js";
import type { Publisher } from "./publisher.js";
import type { Recorder } from "./recorder.js";
import type { Ticks } from "./ticks.js";

const STILL_MS = 30_000;
const LOG_TIMEOUT_MS = 2_000;

export interface ReadinessOptions {
  readonly recorder: Pick<Recorder, "lastProgressAt">;
  readonly publisher: Pick<Publisher, "stuckSince">;
  readonly ticks: Pick<Ticks, "problem">;
  readonly accounting: Pick<AccountingWatch, "problem">;
  readonly log: Pick<EventLog, "bounds">;
  readonly clock: Clock;
}

/** Ready means progress: the recorder and the publisher advance, the clocks agree, the accounts add up, and the log answers. */
export function createReadiness({
  recorder,
  publisher,
  ticks,
  accounting,
  log,
  clock,
}: ReadinessOptions): () => Promise<Readiness> {
  return async () => {
    const reasons = consumerReasons("the recorder", recorder);
    const stuckSince = publisher.stuckSince();
    if (stuckSince !== undefined && clock.now() - stuckSince > STILL_MS) reasons.push("the ledger is not published");
    const clocks = ticks.problem();
    if (clocks !== undefined) reasons.push(clocks);
    const unaccounted = accounting.problem();
    if (unaccounted !== undefined) reasons.push(unaccounted);
    if (!(await answers(log))) reasons.push("the event log does not answer");
    return { ready: reasons.length === 0, reasons };
  };
}

/** Whether the log answers in time; a standstill of this process is not the log's silence. */
function answers(log: Pick<EventLog, "bounds">): Promise<boolean> {
  return new Promise((resolve) => {
    awakeSignal(LOG_TIMEOUT_MS).addEventListener("abort", () => resolve(false));
    log.bounds(USAGE_RECEIVED, 0).then(
      () => resolve(true),
      () => resolve(false),
    );
  });
}
