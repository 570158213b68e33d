import { MetrlyError } from "#kernel/errors.js";
import { createFairQueue } from "../rules/fair-queue.js";

export interface AdmissionLimits {
  /** From here on whoever holds more than its share is refused, bytes. */
  readonly sharedBytes: number;
  /** Nothing is admitted above this, bytes: the room between the two is for those below their share. */
  readonly maxBytes: number;
  /** Work that is begun in one turn of the event loop, bytes of requests. */
  readonly bytesPerTurn: number;
}

/** One admitted request. */
export interface Admitted {
  /** Waits for the sender's turn to use the processor; undefined: it may go on at once. */
  turn(): Promise<void> | undefined;
  /** To be called once, when the request is answered or its client is gone. */
  leave(): void;
}

export interface Admission {
  /**
   * Lets a request in before its body is read. Throws TENANT_OVER_SHARE when the sender holds more than its share of a busy
   * edge, BUSY when it is alone in filling it or it is full.
   */
  enter(sender: string, weight: number, bytes: number): Admitted;
  /** What requests hold now. */
  held(): { readonly requests: number; readonly bytes: number };
}

/** A millisecond or so of work per turn: what another sender's request waits at most behind those of one. */
const DEFAULT_LIMITS: AdmissionLimits = { sharedBytes: 10 << 20, maxBytes: 16 << 20, bytesPerTurn: 16 << 10 };
/** What a request costs beside its bytes: an event of 200 bytes takes as long as 1,200 of a batch. */
const REQUEST_BYTES = 1_024;

interface Sender {
  bytes: number;
  readonly weight: number;
}

/**
 * The bound of everything that requests hold between their first byte and their answer, shared between senders by weight,
 * and whose turn it is. A sender is a tenant, or a platform key.
 */
export function createAdmission(limits: AdmissionLimits = DEFAULT_LIMITS): Admission {
  const senders = new Map<string, Sender>();
  const waiting = createFairQueue<{ readonly go: () => void; readonly cost: number }>(limits.bytesPerTurn / 4);
  const held = { requests: 0, bytes: 0, weight: 0 };
  let spentThisTurn = 0;

  function enter(name: string, weight: number, bytes: number): Admitted {
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
    return { turn: () => turn(name, cost), leave: () => leave(name, sender, cost) };
  }

  function refuseOverShare(sender: Sender, cost: number, newWeight: number): void {
    const wanted = held.bytes + cost;
    if (held.requests === 0 || wanted <= limits.sharedBytes) return;
    const totalWeight = held.weight + newWeight;
    const share = (limits.sharedBytes * sender.weight) / totalWeight;
    if (sender.bytes > 0 && sender.bytes + cost > share && sender.weight < totalWeight)
      throw new MetrlyError("TENANT_OVER_SHARE", "You hold more than your share of a busy edge; send all again later");
    if (wanted > limits.maxBytes || sender.weight === totalWeight)
      throw new MetrlyError("BUSY", "Too much usage is under way; nothing was accepted, send all again");
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
    if (spentThisTurn === 0) setImmediate(nextTurn);
    spentThisTurn += cost;
  }

  function nextTurn(): void {
    spentThisTurn = 0;
    for (const { go, cost } of waiting.take(limits.bytesPerTurn)) {
      spend(cost);
      go();
    }
  }

  return { enter, held: () => ({ requests: held.requests, bytes: held.bytes }) };
}
