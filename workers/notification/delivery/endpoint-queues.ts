import type { ClaimedDelivery } from "../store/deliveries.js";
import type { EndpointRef } from "../store/notices.js";

/** Maximum concurrent attempts per endpoint; a new one, or one that has just failed, gets one at a time. */
export const MAX_PER_ENDPOINT = 8;
/** Maximum concurrent attempts in total: each takes a socket and a few kilobytes. */
const MAX_IN_FLIGHT = 1_000;
/** Maximum concurrent attempts of a tenant's endpoints, as a part of all. */
const TENANT_SHARE = 0.25;
/** Requested deliveries that wait per endpoint; the sweeper finds the others when they are due. */
const MAX_REQUESTED = 1_000;

export interface EndpointQueuesOptions {
  /** Claims up to `limit` due deliveries of an endpoint; fewer when there are no more. */
  claim(endpoint: EndpointRef, limit: number): Promise<readonly ClaimedDelivery[]>;
  /** Claims one delivery whether it is due or not; undefined: it is done or claimed. */
  claimOne(endpoint: EndpointRef, deliveryId: string): Promise<ClaimedDelivery | undefined>;
  /** Sends one delivery and returns whether the receiver accepted it. Never rejects for a receiver's failure. */
  send(delivery: ClaimedDelivery): Promise<boolean>;
  /** Claiming or updating failed: the sweeper finds due deliveries. */
  onError(error: unknown): void;
  readonly maxInFlight?: number;
}

export interface EndpointQueues {
  /** Notifies that this endpoint may have due deliveries. */
  kick(endpoint: EndpointRef): void;
  /** Sends a delivery that somebody requested, due or not, beside the endpoint's due deliveries. */
  request(endpoint: EndpointRef, deliveryId: string): void;
  inFlight(): number;
  /** Claims no more; resolves when nothing is being sent. */
  stop(): Promise<void>;
}

interface EndpointQueue {
  readonly key: string;
  readonly tenantId: string;
  readonly claim: (limit: number) => Promise<readonly ClaimedDelivery[]>;
  limit: number;
  running: number;
  /** There may be more to claim. */
  isWanted: boolean;
  isClaiming: boolean;
}

/**
 * Per-endpoint queues, which avoid head-of-line blocking: one of due and one of requested deliveries. A queue claims no more
 * than it may send at once, so that a hanging receiver delays only its own endpoint; memory holds only ids. A tenant's endpoints
 * together hold a bounded part of the capacity, and when all of it is used, tenants with fewer attempts go first.
 */
export function createEndpointQueues({
  claim,
  claimOne,
  send,
  onError,
  maxInFlight = MAX_IN_FLIGHT,
}: EndpointQueuesOptions): EndpointQueues {
  const maxPerTenant = Math.max(1, Math.floor(maxInFlight * TENANT_SHARE));
  const queues = new Map<string, EndpointQueue>();
  /** Queues that wait for capacity, in FIFO order. */
  const queued = new Set<EndpointQueue>();
  const requested = new Map<string, string[]>();
  const tasks = new Set<Promise<void>>();
  const inFlightOf = new Map<string, number>();
  let inFlight = 0;
  let isStopped = false;

  function track(task: Promise<void>): void {
    const tracked = task.catch(onError).finally(() => tasks.delete(tracked));
    tasks.add(tracked);
  }

  const ofTenant = ({ tenantId }: EndpointQueue): number => inFlightOf.get(tenantId) ?? 0;

  function occupy(queue: EndpointQueue, places: number): void {
    inFlight += places;
    const now = ofTenant(queue) + places;
    if (now === 0) inFlightOf.delete(queue.tenantId);
    else inFlightOf.set(queue.tenantId, now);
  }

  /** Returns capacity to waiting queues. */
  function release(queue: EndpointQueue, places: number): void {
    occupy(queue, -places);
    for (let next = nextQueued(); next !== undefined; next = nextQueued()) {
      queued.delete(next);
      track(pump(next));
    }
  }

  /** Of the tenant with the fewest attempts; of several, the one that waits longest. Undefined: none may start one. */
  function nextQueued(): EndpointQueue | undefined {
    if (inFlight >= maxInFlight) return undefined;
    let least: EndpointQueue | undefined;
    let fewest = maxPerTenant;
    for (const queue of queued) {
      if (ofTenant(queue) >= fewest) continue;
      least = queue;
      fewest = ofTenant(queue);
    }
    return least;
  }

  async function pump(queue: EndpointQueue): Promise<void> {
    if (queue.isClaiming) return;
    queue.isClaiming = true;
    try {
      while (queue.isWanted && !isStopped && queue.running < queue.limit) {
        const free = Math.min(maxInFlight - inFlight, maxPerTenant - ofTenant(queue));
        const capacity = Math.min(queue.limit - queue.running, free);
        if (capacity <= 0) {
          queued.add(queue);
          return;
        }
        queue.isWanted = false;
        occupy(queue, capacity);
        const claimed = await queue.claim(capacity).catch((error: unknown) => {
          onError(error);
          return [];
        });
        queue.running += claimed.length;
        if (claimed.length === capacity) queue.isWanted = true;
        for (const delivery of claimed) track(work(queue, delivery));
        release(queue, capacity - claimed.length);
      }
    } finally {
      queue.isClaiming = false;
      if (queue.running === 0 && !queue.isWanted) queues.delete(queue.key);
    }
  }

  async function work(queue: EndpointQueue, delivery: ClaimedDelivery): Promise<void> {
    let isTaken = false;
    try {
      isTaken = await send(delivery);
    } finally {
      queue.running -= 1;
      queue.limit = isTaken ? Math.min(MAX_PER_ENDPOINT, queue.limit * 2) : 1;
      release(queue, 1);
      track(pump(queue));
    }
  }

  function want(key: string, tenantId: string, claim: EndpointQueue["claim"]): void {
    const queue = queues.get(key) ?? { key, tenantId, claim, limit: 1, running: 0, isWanted: false, isClaiming: false };
    queues.set(key, queue);
    queue.isWanted = true;
    track(pump(queue));
  }

  /** Skips deliveries that are done or claimed. */
  async function claimRequested(endpoint: EndpointRef, key: string, limit: number): Promise<ClaimedDelivery[]> {
    const claimed: ClaimedDelivery[] = [];
    for (let ids = requested.get(key) ?? []; ids.length > 0 && claimed.length < limit; ) {
      const one = await claimOne(endpoint, ids.shift() ?? "");
      if (one !== undefined) claimed.push(one);
      if (ids.length === 0) requested.delete(key);
    }
    return claimed;
  }

  return {
    kick(endpoint) {
      if (!isStopped) want(keyOf(endpoint), endpoint.tenantId, (limit) => claim(endpoint, limit));
    },
    request(endpoint, deliveryId) {
      if (isStopped) return;
      const key = `${keyOf(endpoint)}\nrequested`;
      const ids = requested.get(key) ?? [];
      if (ids.length >= MAX_REQUESTED) return;
      ids.push(deliveryId);
      requested.set(key, ids);
      want(key, endpoint.tenantId, (limit) => claimRequested(endpoint, key, limit));
    },
    inFlight: () => inFlight,
    async stop() {
      isStopped = true;
      while (tasks.size > 0) await Promise.all(tasks);
    },
  };
}

const keyOf = ({ tenantId, endpointId }: EndpointRef): string => `${tenantId}\n${endpointId}`;
