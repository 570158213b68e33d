/** One job as a worker sees it. Its data contains only ids: the state of the work is in the service's database. */
export interface Job<Data> {
  readonly id: string;
  readonly data: Data;
}

export interface QueueOptions {
  readonly concurrency: number;
  /** Lease of a worker without a heartbeat before another gets the job, ms. */
  readonly lockDurationMs: number;
}

export interface Queue<Data> {
  /** Adds a job unless one with this id is waiting or running. `id` must not contain ":". */
  add(id: string, data: Data, delayMs?: number): Promise<void>;
  remove(id: string): Promise<void>;
}

export interface JobWorker {
  stop(): Promise<void>;
}

/**
 * A queue that may run a job twice and may lose one: services keep pending work in their database and recreate lost jobs. A
 * finished or failed job is removed immediately, so its id can be reused; the queue itself never retries.
 */
export interface JobQueues {
  queue<Data>(name: string): Queue<Data>;
  work<Data>(
    name: string,
    options: QueueOptions,
    handle: (job: Job<Data>) => Promise<void>,
    onError: (error: unknown) => void,
  ): JobWorker;
  stop(): Promise<void>;
}
