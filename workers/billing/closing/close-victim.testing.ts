import { pino } from "pino";
import { openDatabase } from "#platform/database/database.js";
import { connectJobQueues, type JobBackend } from "#platform/job-queue/bullmq/queues.js";
import { systemClock } from "#platform/process/clock.js";
import { createTenancyState } from "#platform/tenancy-client/copy.js";
import type { TenancyChangedV1 } from "#schema/events/tenancy-changed.v1.js";
import { CLOSE_QUEUE } from "#schema/queues.js";
import { sized } from "../../../tests/support/effort.js";
import { freezing } from "../../../tests/support/freezing.js";
import { shortLimits } from "../../../tests/support/short-limits.js";
import type { CloseJob } from "./close-job.js";
import { startCloseWorker } from "./close-worker.js";

/** A process with a close worker and nothing else, which a test kills. */
export interface VictimOptions {
  readonly databaseUrl: string;
  readonly backend: JobBackend;
  readonly prefix: string;
  readonly states: readonly TenancyChangedV1[];
  /** Stops itself like SIGSTOP in the middle of its first close; once it goes on, reports the outcome as a message. */
  readonly freezes?: boolean;
}

process.once("message", (options: VictimOptions) => void work(options));

async function work({ databaseUrl, backend, prefix, states, freezes = false }: VictimOptions): Promise<void> {
  const onError = (): void => undefined;
  const { reads, apply } = createTenancyState(systemClock);
  for (const state of states) apply(state);
  const jobs = await connectJobQueues({ backend, prefix, onError });
  const database = await openDatabase({ url: databaseUrl, profiles: shortLimits(sized(0.2, 1)), onError });
  startCloseWorker({
    database: freezes ? freezing(database) : database,
    tenancy: { ...reads, stop: async () => undefined },
    clock: systemClock,
    jobs,
    queue: jobs.queue<CloseJob>(CLOSE_QUEUE),
    logger: pino({ level: "silent" }),
    onFailed: () => undefined,
    sweepIntervalMs: 200,
  });
}
