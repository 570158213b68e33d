import { MetrlyError } from "#kernel/errors.js";
import { after, monotonicMs, nextTurn } from "#platform/lifecycle/time.js";
import { createFairQueue } from "../rules/fair-queue.js";

export interface AdmissionLimits {
  /** Above this a sender with more than its share is refused, bytes. */
  readonly sharedBytes: number;
  /** Nothing is admitted above this, bytes: the range between the two is for senders below their share. */
  readonly maxBytes: number;
  /** Work started in one turn of the event loop, bytes of requests. */
  readonly bytesPerTurn: number;
}

export type Admission = ReturnType<typeof createAdmission>;

/** About a millisecond of work per turn: the longest wait behind another sender's requests. */
const DEFAULT_LIMITS: AdmissionLimits = { sharedBytes: 10 << 20, maxBytes: 16 << 20, bytesPerTurn: 16 << 10 };
/** Fixed cost of a request: an event of 200 bytes takes as long as 1,200 bytes of a batch. */
const REQUEST_BYTES = 1_024;

/** After a turn that took this long, others' answers from the log and their sockets go first for `PAUSE_MS`. */
const HEAVY_MS = 8;
const PAUSE_MS = 5;

interface Sender {
  bytes: number;
  readonly weight: number;
}

/** A request that was admitted. */
export interface Admitted {
  /** Charges bytes as they arrive. Throws as `enter` does; the request should then leave. */
  arrived(bytes: number): void;
  /** Waits for the sender's turn on the processor, to work on this many bytes; undefined: proceed immediately. */
  turn(bytes: number): Promise<void> | undefined;
  /** Charges bytes that the work turned out to have beyond those of its turn. */
  grew(bytes: number): void;
  /** When the request is answered, refused, or its client has disconnected. Idempotent. */
  leave(): void;
}

/**
 * Bounds the bytes that requests hold until their response, divides them among senders by weight, and schedules senders'
 * turns. A sender is a tenant, or a platform key. A body is charged as it arrives: one that is only announced holds nothing
 * that others need.
 */
export function createAdmission(limits: AdmissionLimits = DEFAULT_LIMITS) {
  const senders = new Map<string, Sender>();
  const waiting = createFairQueue<{ readonly go: () => void; readonly cost: number }>(limits.bytesPerTurn / 4);
  const held = { requests: 0, bytes: 0, weight: 0 };
  let spentThisTurn = 0;
  let turnBeganMs = 0;

  /**
   * Admits a request before its body is read; `expected` bytes of it are announced. Throws TENANT_OVER_SHARE when the sender
   * exceeds its share of a busy edge, BUSY when the edge is full or the sender alone fills it.
   */
  function enter(name: string, weight: number, expected: number): Admitted {
    const known = senders.get(name);
    const sender = known ?? { bytes: 0, weight };
    refuseOverShare(sender, 0, REQUEST_BYTES + expected, known === undefined ? weight : 0);
    if (known === undefined) {
      senders.set(name, sender);
      held.weight += weight;
    }
    held.requests += 1;
    let own = 0;
    let isGone = false;
    const hold = (bytes: number) => {
      own += bytes;
      sender.bytes += bytes;
      held.bytes += bytes;
    };
    hold(REQUEST_BYTES);
    return {
      arrived(bytes) {
        if (isGone) return;
        refuseOverShare(sender, own, bytes, 0);
        hold(bytes);
      },
      turn: (bytes) => turn(name, REQUEST_BYTES + bytes),
      grew(bytes) {
        if (!isGone) hold(bytes);
        waiting.charge(name, bytes);
        spend(bytes);
      },
      leave() {
        if (isGone) return;
        isGone = true;
        held.requests -= 1;
        hold(-own);
        if (sender.bytes > 0) return;
        senders.delete(name);
        held.weight -= sender.weight;
      },
    };
  }

  /** `own`: what the request itself holds; alone it is never over its sender's share. */
  function refuseOverShare(sender: Sender, own: number, more: number, newWeight: number): void {
    const wanted = held.bytes + more;
    if (wanted <= limits.sharedBytes || held.bytes === own) return;
    const totalWeight = held.weight + newWeight;
    const share = (limits.sharedBytes * sender.weight) / totalWeight;
    if (sender.bytes > own && sender.bytes + more > share && sender.weight < totalWeight)
      throw new MetrlyError(
        "TENANT_OVER_SHARE",
        "The tenant exceeds its share of a busy edge; nothing was accepted, retry the request",
      );
    if (wanted > limits.maxBytes || sender.weight === totalWeight)
      throw new MetrlyError("BUSY", "The edge is at capacity; nothing was accepted, retry the request");
  }

  function turn(name: string, cost: number): Promise<void> | undefined {
    const isFree = waiting.size === 0 && (spentThisTurn === 0 || spentThisTurn + cost <= limits.bytesPerTurn);
    if (isFree) {
      spend(cost);
      return undefined;
    }
    return new Promise((go) => waiting.push(name, { go, cost }, cost));
  }

  function spend(cost: number): void {
    if (spentThisTurn === 0) {
      turnBeganMs = monotonicMs();
      nextTurn(endTurn);
    }
    spentThisTurn += cost;
  }

  function endTurn(): void {
    if (senders.size > 1 && monotonicMs() - turnBeganMs > HEAVY_MS) after(PAUSE_MS, beginTurn);
    else beginTurn();
  }

  function beginTurn(): void {
    spentThisTurn = 0;
    for (const { go, cost } of waiting.take(limits.bytesPerTurn)) {
      spend(cost);
      go();
    }
  }

  return { enter, held: () => ({ requests: held.requests, bytes: held.bytes }) };
}
