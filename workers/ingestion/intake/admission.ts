import { MetrlyError } from "#kernel/errors.js";
import { nextTurn } from "#platform/lifecycle/time.js";
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
export type Admitted = ReturnType<Admission["enter"]>;

/** About a millisecond of work per turn: the longest wait behind another sender's requests. */
const DEFAULT_LIMITS: AdmissionLimits = { sharedBytes: 10 << 20, maxBytes: 16 << 20, bytesPerTurn: 16 << 10 };
/** Fixed cost of a request: an event of 200 bytes takes as long as 1,200 bytes of a batch. */
const REQUEST_BYTES = 1_024;

interface Sender {
  bytes: number;
  readonly weight: number;
}

/**
 * Bounds the bytes that requests hold between their first byte and their response, divides them among senders by weight, and
 * schedules senders' turns. A sender is a tenant, or a platform key.
 */
export function createAdmission(limits: AdmissionLimits = DEFAULT_LIMITS) {
  const senders = new Map<string, Sender>();
  const waiting = createFairQueue<{ readonly go: () => void; readonly cost: number }>(limits.bytesPerTurn / 4);
  const held = { requests: 0, bytes: 0, weight: 0 };
  let spentThisTurn = 0;

  /**
   * Admits a request before its body is read. Throws TENANT_OVER_SHARE when the sender exceeds its share of a busy edge, BUSY
   * when the edge is full or the sender alone fills it.
   */
  function enter(name: string, weight: number, bytes: number) {
    const cost = bytes + REQUEST_BYTES;
    const known = senders.get(name);
    const sender = known ?? { bytes: 0, weight };
    refuseOverShare(sender, cost, known === undefined ? weight : 0);
    if (known === undefined) {
      senders.set(name, sender);
      held.weight += weight;
    }
    sender.bytes += cost;
    held.bytes += cost;
    held.requests += 1;
    return {
      /** Waits for the sender's turn on the processor; undefined: proceed immediately. */
      turn: () => turn(name, cost),
      /** Call once, when the request is answered or its client has disconnected. */
      leave: () => leave(name, sender, cost),
    };
  }

  function refuseOverShare(sender: Sender, cost: number, newWeight: number): void {
    const wanted = held.bytes + cost;
    if (held.requests === 0 || wanted <= limits.sharedBytes) return;
    const totalWeight = held.weight + newWeight;
    const share = (limits.sharedBytes * sender.weight) / totalWeight;
    if (sender.bytes > 0 && sender.bytes + cost > share && sender.weight < totalWeight)
      throw new MetrlyError(
        "TENANT_OVER_SHARE",
        "The tenant exceeds its share of a busy edge; nothing was accepted, retry the request",
      );
    if (wanted > limits.maxBytes || sender.weight === totalWeight)
      throw new MetrlyError("BUSY", "The edge is at capacity; nothing was accepted, retry the request");
  }

  function leave(name: string, sender: Sender, cost: number): void {
    held.requests -= 1;
    held.bytes -= cost;
    sender.bytes -= cost;
    if (sender.bytes > 0) return;
    senders.delete(name);
    held.weight -= sender.weight;
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
    if (spentThisTurn === 0) nextTurn(beginTurn);
    spentThisTurn += cost;
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
