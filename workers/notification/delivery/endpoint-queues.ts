import type { ClaimedDelivery } from "../store/deliveries.js";
import type { EndpointRef } from "../store/notices.js";

/** Most attempts at once to one endpoint; a new one, or one that has just failed, gets one at a time. */
export const MAX_PER_ENDPOINT = 8;
/** Most attempts at once: an attempt is a socket and a few kilobytes. */
const MAX_IN_FLIGHT = 1_000;

export interface LanesOptions {
  /** Takes up to `limit` due deliveries of an endpoint; fewer when there are no more. */
  claim(endpoint: EndpointRef, limit: number): Promise<readonly ClaimedDelivery[]>;
  /** Sends one and answers whether the receiver took it. Never rejects for what a receiver does. */
  send(delivery: ClaimedDelivery): Promise<boolean>;
  /** Claiming or marking failed: the sweeper brings back what is due. */
  onError(error: unknown): void;
  readonly maxInFlight?: number;
}

export interface Lanes {
  /** There may be something due for this endpoint. */
  kick(endpoint: EndpointRef): void;
  /** Sends what was claimed otherwise, whatever is running for its endpoint. */
  run(delivery: ClaimedDelivery): Promise<void>;
  inFlight(): number;
  /** Takes nothing more; resolves when nothing is being sent. */
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
 * One lane per endpoint that has something due. A lane claims no more than it may send at once, so that a receiver that hangs
 * holds its own lane and nobody else's; nothing waits in memory but the lanes' names.
 */
export function createLanes({ claim, send, onError, maxInFlight = MAX_IN_FLIGHT }: LanesOptions): Lanes {
  const lanes = new Map<string, Lane>();
  /** Lanes that want to go on while too much is in flight, in the order they came. */
  const queued = new Set<Lane>();
  const tasks = new Set<Promise<void>>();
  let inFlight = 0;
  let isStopped = false;

  function track(task: Promise<void>): void {
    const tracked = task.catch(onError).finally(() => tasks.delete(tracked));
    tasks.add(tracked);
  }

  /** Gives back places, to those who wait for one. */
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
