/** One job as a worker sees it. Its data carries ids only: the truth about the work lies in the room's database. */
export interface Job<Data> {
  readonly id: string;
  readonly data: Data;
}

export interface QueueOptions {
  readonly concurrency: number;
  /** How long a worker may hold a job without a sign of life before another gets it, ms. */
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
 * A queue that may run a job twice and may lose one: rooms keep what is due in their database and re-create lost jobs.
 * A finished or failed job is removed at once, so its id can be used again; the queue itself never retries.
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
