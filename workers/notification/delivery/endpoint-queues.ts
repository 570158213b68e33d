import type { ClaimedDelivery } from "../store/deliveries.js";
import type { EndpointRef } from "../store/notices.js";

/** Maximum concurrent attempts per endpoint; a new one, or one that has just failed, gets one at a time. */
export const MAX_PER_ENDPOINT = 8;
/** Maximum concurrent attempts in total: each takes a socket and a few kilobytes. */
const MAX_IN_FLIGHT = 1_000;

export interface LanesOptions {
  /** Claims up to `limit` due deliveries of an endpoint; fewer when there are no more. */
  claim(endpoint: EndpointRef, limit: number): Promise<readonly ClaimedDelivery[]>;
  /** Sends one delivery and returns whether the receiver accepted it. Never rejects for a receiver's failure. */
  send(delivery: ClaimedDelivery): Promise<boolean>;
  /** Claiming or updating failed: the sweeper finds due deliveries. */
  onError(error: unknown): void;
  readonly maxInFlight?: number;
}

export interface Lanes {
  /** Notifies that this endpoint may have due deliveries. */
  kick(endpoint: EndpointRef): void;
  /** Sends a delivery claimed elsewhere, regardless of the endpoint's queue. */
  run(delivery: ClaimedDelivery): Promise<void>;
  inFlight(): number;
  /** Claims no more; resolves when nothing is being sent. */
  stop(): Promise<void>;
}

interface Lane {
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
export function createLanes({ claim, send, onError, maxInFlight = MAX_IN_FLIGHT }: LanesOptions): Lanes {
  const lanes = new Map<string, Lane>();
  /** Queues that wait for capacity, in FIFO order. */
  const queued = new Set<Lane>();
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
    for (const lane of [...queued].slice(0, places)) {
      queued.delete(lane);
      track(pump(lane));
    }
  }

  async function pump(lane: Lane): Promise<void> {
    if (lane.isClaiming) return;
    lane.isClaiming = true;
    try {
      while (lane.isWanted && !isStopped && lane.running < lane.limit) {
        const room = Math.min(lane.limit - lane.running, maxInFlight - inFlight);
        if (room <= 0) {
          queued.add(lane);
          return;
        }
        lane.isWanted = false;
        inFlight += room;
        const claimed = await claim(lane.endpoint, room).catch((error: unknown) => {
          onError(error);
          return [];
        });
        lane.running += claimed.length;
        if (claimed.length === room) lane.isWanted = true;
        for (const delivery of claimed) track(work(lane, delivery));
        release(room - claimed.length);
      }
    } finally {
      lane.isClaiming = false;
      if (lane.running === 0 && !lane.isWanted) lanes.delete(keyOf(lane.endpoint));
    }
  }

  async function work(lane: Lane, delivery: ClaimedDelivery): Promise<void> {
    let isTaken = false;
    try {
      isTaken = await send(delivery);
    } finally {
      lane.running -= 1;
      lane.limit = isTaken ? Math.min(MAX_PER_ENDPOINT, lane.limit * 2) : 1;
      release(1);
      track(pump(lane));
    }
  }

  return {
    kick(endpoint) {
      if (isStopped) return;
      const key = keyOf(endpoint);
      const lane = lanes.get(key) ?? { endpoint, limit: 1, running: 0, isWanted: false, isClaiming: false };
      lanes.set(key, lane);
      lane.isWanted = true;
      track(pump(lane));
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
