import {
  type Queue as BullQueue,
  createPostgresBackend,
  Queue as RedisQueue,
  Worker as RedisWorker,
  withBackend,
} from "bullmq";
import { openDatabase } from "#platform/database/database.js";
import { PROFILES } from "#platform/database/profiles.js";
import { sessionConfig } from "#platform/database/session.js";
import { sleep } from "#platform/lifecycle/time.js";
import { refuseEviction } from "#platform/redis/eviction.js";
import type { Job, JobQueues, JobWorker, Queue, QueueOptions } from "../job-queue.js";

export type JobBackend =
  | { readonly kind: "redis"; readonly url: string }
  | { readonly kind: "postgres"; readonly url: string };

export interface JobQueuesOptions {
  readonly backend: JobBackend;
  /** Separates deployments that share a server; `metrly` by default. */
  readonly prefix?: string;
  /** Connection failures; BullMQ reconnects automatically. */
  readonly onError: (error: unknown) => void;
}

/** BullMQ refuses all-digit ids and ids with ":"; a prefix solves the first, services must avoid the second. */
const ID_PREFIX = "job-";
/** Enough to fetch jobs, extend locks and finish jobs; more would only consume the server's connections. */
const POSTGRES_CONNECTIONS = 4;
const LONGEST_RECONNECT_MS = 1_000;
const STALLED_CHECK_MS = 30_000;

interface OpenQueue {
  readonly bull: BullQueue;
  close(): Promise<void>;
}
interface OpenWorker {
  close(): Promise<void>;
}
type Process<Data> = (job: { readonly id?: string; readonly data: Data }) => Promise<void>;

interface Backend {
  openQueue(name: string): OpenQueue;
  openWorker<Data>(
    name: string,
    options: QueueOptions,
    process: Process<Data>,
    onError: (error: unknown) => void,
  ): OpenWorker;
}

export interface BullJobQueues extends JobQueues {
  /** The library's own queues, for the dashboard. */
  bullQueues(names: readonly string[]): readonly BullQueue[];
}

/** Job queues on BullMQ; rejects when the server is unreachable or may evict jobs. */
export async function connectJobQueues({
  backend,
  prefix = "metrly",
  onError,
}: JobQueuesOptions): Promise<BullJobQueues> {
  const opened =
    backend.kind === "redis"
      ? await onRedis(backend.url, prefix, onError)
      : await onPostgres(backend.url, prefix, onError);
  const queues = new Map<string, OpenQueue>();
  const workers = new Set<JobWorker>();

  function queueOf(name: string): OpenQueue {
    const queue = queues.get(name) ?? opened.openQueue(name);
    queues.set(name, queue);
    return queue;
  }

  return {
    queue<Data>(name: string): Queue<Data> {
      const { bull } = queueOf(name);
      return {
        async add(id, data, delayMs = 0) {
          if (id === "" || id.includes(":")) throw new RangeError(`not a job id: ${JSON.stringify(id)}`);
          await bull.add("job", data, {
            jobId: ID_PREFIX + id,
            delay: delayMs,
            attempts: 1,
            removeOnComplete: true,
            removeOnFail: true,
          });
        },
        async remove(id) {
          await bull.remove(ID_PREFIX + id);
        },
      };
    },
    work<Data>(
      name: string,
      options: QueueOptions,
      handle: (job: Job<Data>) => Promise<void>,
      onJobError: (error: unknown) => void,
    ): JobWorker {
      const worker = opened.openWorker<Data>(
        name,
        options,
        ({ id = "", data }) => handle({ id: id.slice(ID_PREFIX.length), data }),
        onJobError,
      );
      let closing: Promise<void> | undefined;
      const stopper: JobWorker = {
        stop() {
          closing ??= worker.close().finally(() => workers.delete(stopper));
          return closing;
        },
      };
      workers.add(stopper);
      return stopper;
    },
    bullQueues: (names) => names.map((name) => queueOf(name).bull),
    /** Running jobs finish first: they may still add jobs. */
    async stop() {
      await Promise.all([...workers].map((worker) => worker.stop()));
      await Promise.all([...queues.values()].map((queue) => queue.close()));
    },
  };
}

function workerOptions({ concurrency, lockDurationMs }: QueueOptions) {
  return {
    concurrency,
    lockDuration: lockDurationMs,
    stalledInterval: Math.min(STALLED_CHECK_MS, lockDurationMs),
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 0 },
  };
}

async function onRedis(url: string, prefix: string, onError: (error: unknown) => void): Promise<Backend> {
  await refuseEviction(url);
  // The hash tag keeps a queue's keys on one node of a cluster.
  const common = { prefix: `{${prefix}}` };
  return {
    openQueue(name) {
      const closing = new AbortController();
      // Adding fails after a few tries, so that the caller notices an outage; its database still has the pending work.
      const connection = { url, maxRetriesPerRequest: 3, retryStrategy: reconnectUntil(closing.signal) };
      const queue = new RedisQueue(name, { ...common, connection });
      queue.on("error", onError);
      return { bull: queue, close: () => closeAfter(closing, queue) };
    },
    openWorker(name, options, process, onJobError) {
      const closing = new AbortController();
      const connection = { url, maxRetriesPerRequest: null, retryStrategy: reconnectUntil(closing.signal) };
      const worker = new RedisWorker(name, process, { ...common, ...workerOptions(options), connection });
      worker.on("error", onError);
      worker.on("failed", (_, error) => onJobError(error));
      return { close: () => closeAfter(closing, worker) };
    },
  };
}

/** Closing waits for the server's responses; do not wait for a server that is gone. */
function reconnectUntil(closing: AbortSignal): (attempt: number) => number | null {
  return (attempt) => (closing.aborted ? null : Math.min(attempt * 100, LONGEST_RECONNECT_MS));
}

async function closeAfter(closing: AbortController, closable: { close(): Promise<void> }): Promise<void> {
  closing.abort();
  await closable.close();
}

/**
 * BullMQ remembers for ever that its first connection failed: a queue's adds would fail until a restart, and a worker would ask
 * without a pause, in microtasks, so that no timer and no signal of its process got a turn.
 */
const connectingAgain: typeof createPostgresBackend = (name, options, kind) => {
  const backend = createPostgresBackend(name, options, kind);
  const connection: Connecting = Reflect.get(backend, "connection");
  const pauseMs = kind?.withBlockingConnection === true ? LONGEST_RECONNECT_MS : 0;
  forgetFailure(connection, pauseMs);
  forgetFailure(backend, 0);
  return backend;
};

interface Connecting {
  waitUntilReady(): Promise<void>;
}

/** `readyPromise` is where BullMQ keeps the outcome of the first time. */
function forgetFailure(connecting: Connecting, pauseMs: number): void {
  const ready = connecting.waitUntilReady.bind(connecting);
  connecting.waitUntilReady = async () => {
    try {
      await ready();
    } catch (error) {
      Reflect.set(connecting, "readyPromise", undefined);
      if (pauseMs > 0) await sleep(pauseMs);
      throw error;
    }
  };
}

async function onPostgres(url: string, prefix: string, onError: (error: unknown) => void): Promise<Backend> {
  const { Queue: PostgresQueue, Worker: PostgresWorker } = withBackend(connectingAgain);
  const connection = { ...sessionConfig({ url, limits: PROFILES.hot }), max: POSTGRES_CONNECTIONS, migrate: false };
  // BullMQ does not create databases.
  const database = await openDatabase({ url, onError });
  await database.stop();
  const migrating = { ...sessionConfig({ url, limits: { ...PROFILES.migrate, lockMs: 0 } }), max: 1, migrate: true };
  const migrated = new PostgresQueue(`${prefix}.migrations`, { connection: migrating });
  migrated.on("error", onError);
  await migrated.waitUntilReady();
  await migrated.close();
  return {
    openQueue(name) {
      const queue = new PostgresQueue<unknown>(`${prefix}.${name}`, { connection });
      queue.on("error", onError);
      // Its types name the backend; only the common part is used.
      return { bull: queue as unknown as BullQueue, close: () => queue.close() };
    },
    openWorker(name, options, process, onJobError) {
      const worker = new PostgresWorker(`${prefix}.${name}`, process, {
        ...workerOptions(options),
        connection,
      });
      worker.on("error", onError);
      worker.on("failed", (_, error) => onJobError(error));
      return worker;
    },
  };
}
