import { createFairQueue } from "./fair-queue.js";
import { after, monotonicMs, nextTurn } from "./time.js";

/**
 * After a turn with more work than this, of several milliseconds, others' answers and their sockets go first for `PAUSE_MS`. In
 * bytes, not by the clock: on a busy machine a turn takes long without much work.
 */
const HEAVY_BYTES = 64 << 10;
const PAUSE_MS = 5;
/** A turn after which turns are left out, if any are: connections wait for whole ones. */
const LONG_MS = 2;

export interface ProcessorTurnsOptions {
  /** Work started in one turn of the event loop, bytes; one piece of work may be more. */
  readonly bytesPerTurn?: number;
  /** Turns of the event loop without work after a long one; default: none. One connection is accepted in each. */
  readonly rests?: number;
  /** Whether anybody else waits for anything. */
  hasOthers(): boolean;
}

export interface ProcessorTurns {
  /** Waits for the sender's turn, to work on this many bytes; undefined: proceed immediately. */
  take(sender: string, bytes: number): Promise<void> | undefined;
  /** Whether work waits for its turn. */
  isBusy(): boolean;
  /** Charges what the work turned out to have beyond the bytes of its turn. */
  grew(sender: string, bytes: number): void;
}

/** About a millisecond of work: the longest wait behind another sender's requests. */
const BYTES_PER_TURN = 16 << 10;
/** Fixed cost of a piece of work: an event of 200 bytes takes as long as 1,200 bytes of a batch. */
export const REQUEST_BYTES = 1_024;

/**
 * Divides the processor among senders: each turn of the event loop starts a bounded amount of synchronous work, and senders that
 * wait take turns by bytes, so that one with fifty times the work delays itself.
 */
export function createProcessorTurns({
  bytesPerTurn = BYTES_PER_TURN,
  rests = 0,
  hasOthers,
}: ProcessorTurnsOptions): ProcessorTurns {
  const waiting = createFairQueue<{ readonly go: () => void; readonly cost: number }>(bytesPerTurn / 4);
  let spentThisTurn = 0;
  let began = 0;

  function spend(cost: number): void {
    if (spentThisTurn === 0) {
      if (rests > 0) began = monotonicMs();
      nextTurn(endTurn);
    }
    spentThisTurn += cost;
  }

  function endTurn(): void {
    if (hasOthers() && spentThisTurn > HEAVY_BYTES) after(PAUSE_MS, beginTurn);
    else rest(rests > 0 && monotonicMs() - began >= LONG_MS ? rests : 0);
  }

  function rest(left: number): void {
    if (left === 0 || waiting.size === 0) beginTurn();
    else nextTurn(() => rest(left - 1));
  }

  function beginTurn(): void {
    spentThisTurn = 0;
    for (const { go, cost } of waiting.take(bytesPerTurn)) {
      spend(cost);
      go();
    }
  }

  return {
    take(sender, bytes) {
      const cost = REQUEST_BYTES + bytes;
      const isFree = waiting.size === 0 && (spentThisTurn === 0 || spentThisTurn + cost <= bytesPerTurn);
      if (isFree) {
        spend(cost);
        return undefined;
      }
      return new Promise((go) => waiting.push(sender, { go, cost }, cost));
    },
    isBusy: () => waiting.size > 0,
    grew(sender, bytes) {
      waiting.charge(sender, bytes);
      spend(bytes);
    },
  };
}
