import type { Logger } from "pino";
import type { Clock } from "#kernel/clock.js";
import type { Database } from "#platform/database/database.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import { repeat } from "#platform/lifecycle/repeat.js";
import type { UsageReceivedV1 } from "#schema/events/usage-received.v1.js";
import { USAGE_RECEIVED } from "#schema/topics.js";
import { MAX_CLOCK_SKEW_MS } from "../rules/plan-steps.js";
import { databaseNow } from "../store/ledger.js";

export interface TickOptions {
  readonly log: EventLog;
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly intervalMs: number;
  assigned(): readonly number[];
}

export type Ticks = ReturnType<typeof startTicks>;

/**
 * Appends this process's clock to each partition it records: a tick's position in the log, not a comparison of clocks, decides
 * which events belong to a period. A wrong clock would close periods early, so it is compared with the database's here, and
 * with the log's when the tick is recorded.
 */
export function startTicks(options: TickOptions) {
  let databaseProblem: string | undefined;
  let logProblem: string | undefined;

  const ticks = repeat({
    everyMs: options.intervalMs,
    async run() {
      databaseProblem = await compareWithDatabase(options);
      if (databaseProblem === undefined) await appendTicks(options);
      else options.logger.warn({ reason: databaseProblem }, "no tick was appended");
    },
    onError(error) {
      databaseProblem = "comparing or appending the clock failed";
      options.logger.warn({ err: error }, databaseProblem);
    },
  });

  return {
    /** Called by the recorder with whether the last tick agreed with the log's clock. */
    seen(agreed: boolean): void {
      const before = logProblem;
      logProblem = agreed ? undefined : "a process's clock and the log's differ by more than a minute";
      if (logProblem !== undefined && before === undefined)
        options.logger.warn({ reason: logProblem }, "a tick was refused");
    },
    /** Why periods may not be closed now; undefined: the clocks agree. */
    problem: () => databaseProblem ?? logProblem,
    stop: ticks.stop,
  };
}

async function compareWithDatabase({ database, clock }: TickOptions): Promise<string | undefined> {
  const before = clock.now();
  const theirs = await databaseNow(database);
  const after = clock.now();
  const skew = theirs < before ? before - theirs : Math.max(0, theirs - after);
  return skew > MAX_CLOCK_SKEW_MS
    ? `this process's clock and the database's differ by ${Math.round(skew / 1000)} s`
    : undefined;
}

async function appendTicks({ log, clock, assigned }: TickOptions): Promise<void> {
  await Promise.all(
    assigned().map((partition) => {
      const tick: UsageReceivedV1 = { kind: "tick", at: clock.now() };
      return log.append(USAGE_RECEIVED, partition, [{ value: Buffer.from(JSON.stringify(tick)) }]);
    }),
  );
}
