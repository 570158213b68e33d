import { pino } from "pino";
import { nextPeriod, type Period, periodAt } from "#kernel/period.js";
import { connectJobQueues } from "#platform/job-queue/bullmq/queues.js";
import { systemClock } from "#platform/process/clock.js";
import { CLOSE_QUEUE } from "#schema/queues.js";
import { CURRENT_INVOICE_VERSION } from "#schema/vocabulary.js";
import { type CloseJob, closeJobId } from "../../workers/billing/closing/close-job.js";
import { startCloseWorker } from "../../workers/billing/closing/close-worker.js";
import { insertClosings } from "../../workers/billing/store/periods.js";
import { billingWorld, planVersion, tenant } from "../../workers/billing/world.testing.js";
import { runPart } from "./part.js";
import { LOUD, loudLoops, measureRounds, OTHERS } from "./rounds.js";

// Close workers: from a period's end until the job that closes it is done.
await runPart(async ({ redisUrl, rounds, seconds }) => {
  const world = await billingWorld();
  world.state.apply({
    ...{ kind: "plan", id: "pro", version: 1, name: "Pro", archived: false },
    versions: [planVersion({ recurringFee: "10" })],
  });
  for (const id of [...OTHERS, LOUD]) world.state.apply(tenant(id));
  const backend = { kind: "redis", url: redisUrl } as const;
  const jobs = await connectJobQueues({ backend, prefix: "fairness-closes", onError: console.error });
  const done = new Map<string, () => void>();
  const worker = startCloseWorker({
    ...{ database: world.database, tenancy: world.tenancy, clock: systemClock },
    queue: jobs.queue<CloseJob>(CLOSE_QUEUE),
    jobs: {
      ...jobs,
      work: (name, options, handle, onError) =>
        jobs.work(name, options, (job) => handle(job as never).finally(() => done.get(job.id)?.()), onError),
    },
    logger: pino({ level: "error" }),
    onFailed: () => undefined,
  });
  // Neither the others nor the worker wait for the loud tenant's inserts.
  const sessionsOf = (tenantId: string) => world.database.under(tenantId === LOUD ? "rebuild" : "requests");
  const queue = jobs.queue<CloseJob>(CLOSE_QUEUE);
  const periods = new Map<string, Period>();

  async function close(tenantId: string): Promise<void> {
    const last = periods.get(tenantId);
    const period = last === undefined ? periodAt(0, 1) : nextPeriod(last, 1);
    periods.set(tenantId, period);
    const ended = { tenantId, period, watermark: 1, tenancyVersion: 1, plan: { planId: "pro", planVersion: 1 } };
    const closing = { ...ended, invoiceVersion: CURRENT_INVOICE_VERSION };
    await sessionsOf(tenantId).transaction((tx) => insertClosings(tx, 0, [closing], 0));
    const id = closeJobId(tenantId, period.start);
    const isDone = new Promise<void>((resolve) => done.set(id, resolve));
    await queue.add(id, { tenantId });
    await isDone;
    done.delete(id);
  }
  try {
    const loud = () => loudLoops(() => close(LOUD));
    return await measureRounds({ others: OTHERS, use: close, loud, rounds, seconds });
  } finally {
    await worker.stop();
    await jobs.stop();
    await world.stop();
  }
});
