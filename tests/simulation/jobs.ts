import type { Job, JobQueues } from "#platform/job-queue/job-queue.js";
import type { Instance } from "./engine/instance.js";
import type { Action, Scheduler } from "./engine/scheduler.js";

interface Stored {
  readonly id: string;
  readonly data: unknown;
  isRunning: boolean;
}

interface Worker {
  readonly instance: Instance;
  readonly queue: string;
  readonly concurrency: number;
  readonly leaseMs: number;
  running: number;
  handle(job: Job<unknown>): Promise<void>;
  onError(error: unknown): void;
}

/** How soon a job that found no worker looks for one again. */
const AGAIN_MS = 500;

export type SimulatedJobs = ReturnType<typeof createSimulatedJobs>;

/** Job queues in memory that all instances share. A job runs again when its worker is killed or frozen for longer than its lease. */
export function createSimulatedJobs(scheduler: Scheduler) {
  const queues = new Map<string, Map<string, Stored>>();
  const workers: Worker[] = [];

  function jobsOf(queue: string): Map<string, Stored> {
    const known = queues.get(queue) ?? new Map<string, Stored>();
    queues.set(queue, known);
    return known;
  }

  function offer(queue: string, job: Stored): void {
    scheduler.offer({ key: `job ${queue} ${job.id} looks for a worker`, run: () => start(queue, job) });
  }

  function later(ms: number, key: string, run: () => void): void {
    scheduler.after(ms, "jobs", {
      key,
      run() {
        run();
        return "";
      },
    });
  }

  function start(queue: string, job: Stored): string {
    const isStored = () => jobsOf(queue).get(job.id) === job;
    if (!isStored() || job.isRunning) return "is over";
    const able = ({ instance, queue: of, running, concurrency }: Worker): boolean =>
      of === queue && instance.isAlive() && !instance.isFrozen() && running < concurrency;
    // In turns.
    const index = workers.findIndex(able);
    const [worker] = index === -1 ? [] : workers.splice(index, 1);
    if (worker === undefined) {
      later(AGAIN_MS, `job ${queue} ${job.id} looks again`, () => offer(queue, job));
      return "finds none";
    }
    workers.push(worker);
    job.isRunning = true;
    worker.running += 1;
    const lease = (): void =>
      later(worker.leaseMs, `the lease of job ${queue} ${job.id} ends`, () => {
        if (!isStored()) return;
        if (worker.instance.isAlive() && !worker.instance.isFrozen()) return lease();
        job.isRunning = false;
        offer(queue, job);
      });
    lease();
    const { instance } = worker;
    instance.post(instance.keyOf(`works at ${queue} ${job.id}`), () => {
      const done = (): void => {
        worker.running -= 1;
        void instance.call(`end job ${job.id}`, async () => {
          if (isStored()) jobsOf(queue).delete(job.id);
        });
      };
      worker.handle({ id: job.id, data: job.data }).then(done, (error: unknown) => {
        worker.onError(error);
        done();
      });
    });
    return instance.name;
  }

  return {
    /** The queues as this instance reaches them. */
    of: (instance: Instance): JobQueues => ({
      queue: <Data>(name: string) => ({
        add: (id: string, data: Data, delayMs = 0) =>
          instance.call(
            `add job ${id}`,
            async () => {
              if (jobsOf(name).has(id)) return;
              const job: Stored = { id, data, isRunning: false };
              jobsOf(name).set(id, job);
              if (delayMs > 0) later(delayMs, `job ${name} ${id} is due`, () => offer(name, job));
              else offer(name, job);
            },
            { lost: () => new Error("the job queue does not answer") },
          ),
        remove: (id: string) => instance.call(`remove job ${id}`, async () => void jobsOf(name).delete(id)),
      }),
      work(name, { concurrency, lockDurationMs }, handle, onError) {
        workers.push({
          ...{ instance, queue: name, concurrency, leaseMs: lockDurationMs, running: 0, onError },
          handle: handle as (job: Job<unknown>) => Promise<void>,
        });
        return { stop: async () => undefined };
      },
      stop: async () => undefined,
    }),
    faults: (): Action[] =>
      [...queues].flatMap(([queue, jobs]) =>
        [...jobs.keys()].map((id) => ({
          key: `fault: job ${queue} ${id} is lost`,
          run() {
            jobs.delete(id);
            return "";
          },
        })),
      ),
  };
}
