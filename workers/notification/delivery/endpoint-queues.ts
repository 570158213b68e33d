import type { ClaimedDelivery } from "../store/deliveries.js";
import type { EndpointRef } from "../store/notices.js";

/** Maximum concurrent attempts per endpoint; a new one, or one that has just failed, gets one at a time. */
export const MAX_PER_ENDPOINT = 8;
/** Maximum concurrent attempts in total: each takes a socket and a few kilobytes. */
const MAX_IN_FLIGHT = 1_000;

export interface EndpointQueuesOptions {
  /** Claims up to `limit` due deliveries of an endpoint; fewer when there are no more. */
  claim(endpoint: EndpointRef, limit: number): Promise<readonly ClaimedDelivery[]>;
  /** Sends one delivery and returns whether the receiver accepted it. Never rejects for a receiver's failure. */
  send(delivery: ClaimedDelivery): Promise<boolean>;
  /** Claiming or updating failed: the sweeper finds due deliveries. */
  onError(error: unknown): void;
  readonly maxInFlight?: number;
}

export interface EndpointQueues {
  /** Notifies that this endpoint may have due deliveries. */
  kick(endpoint: EndpointRef): void;
  /** Sends a delivery claimed elsewhere, regardless of the endpoint's queue. */
  run(delivery: ClaimedDelivery): Promise<void>;
  inFlight(): number;
  /** Claims no more; resolves when nothing is being sent. */
  stop(): Promise<void>;
}

interface EndpointQueue {
  readonly endpoint: EndpointRef;
  limit: number;
  running: number;
  /** There may be more to claim. */
  isWanted: boolean;
  isClaiming: boolean;
}

/**
 * Per-endpoint queues, which avoid head-of-line blocking. A queue claims no more than it may send at once, so that a hanging
 * receiver delays only its own endpoint; memory holds only the ids of endpoints.
 */
export function createEndpointQueues({
  claim,
  send,
  onError,
  maxInFlight = MAX_IN_FLIGHT,
}: EndpointQueuesOptions): EndpointQueues {
  const queues = new Map<string, EndpointQueue>();
  /** Queues that wait for capacity, in FIFO order. */
  const queued = new Set<EndpointQueue>();
  const tasks = new Set<Promise<void>>();
  let inFlight = 0;
  let isStopped = false;

  function track(task: Promise<void>): void {
    const tracked = task.catch(onError).finally(() => tasks.delete(tracked));
    tasks.add(tracked);
  }

  /** Returns capacity to waiting queues. */
  function release(places: number): void {
    inFlight -= places;
    for (const queue of [...queued].slice(0, places)) {
      queued.delete(queue);
      track(pump(queue));
    }
  }

  async function pump(queue: EndpointQueue): Promise<void> {
    if (queue.isClaiming) return;
    queue.isClaiming = true;
    try {
      while (queue.isWanted && !isStopped && queue.running < queue.limit) {
        const capacity = Math.min(queue.limit - queue.running, maxInFlight - inFlight);
        if (capacity <= 0) {
          queued.add(queue);
          return;
        }
        queue.isWanted = false;
        inFlight += capacity;
        const claimed = await claim(queue.endpoint, capacity).catch((error: unknown) => {
          onError(error);
          return [];
        });
        queue.running += claimed.length;
        if (claimed.length === capacity) queue.isWanted = true;
        for (const delivery of claimed) track(work(queue, delivery));
        release(capacity - claimed.length);
      }
    } finally {
      queue.isClaiming = false;
      if (queue.running === 0 && !queue.isWanted) queues.delete(keyOf(queue.endpoint));
    }
  }

  async function work(queue: EndpointQueue, delivery: ClaimedDelivery): Promise<void> {
    let isTaken = false;
    try {
      isTaken = await send(delivery);
    } finally {
      queue.running -= 1;
      queue.limit = isTaken ? Math.min(MAX_PER_ENDPOINT, queue.limit * 2) : 1;
      release(1);
      track(pump(queue));
    }
  }

  return {
    kick(endpoint) {
      if (isStopped) return;
      const key = keyOf(endpoint);
      const queue = queues.get(key) ?? { endpoint, limit: 1, running: 0, isWanted: false, isClaiming: false };
      queues.set(key, queue);
      queue.isWanted = true;
      track(pump(queue));
    },
    async run(delivery) {
      inFlight += 1;
      try {
        await send(delivery);
      } finally {
        release(1);
      }
    },
    inFlight: () => inFlight,
    async stop() {
      isStopped = true;
      while (tasks.size > 0) await Promise.all(tasks);
    },
  };
}

const keyOf = ({ tenantId, endpointId }: EndpointRef): string => `${tenantId}\n${endpointId}`;
