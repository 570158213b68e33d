import type { RawData } from "ws";
import { createFairQueue, type FairQueue } from "#platform/lifecycle/fair-queue.js";
import { monotonicMs, nextTurn } from "#platform/lifecycle/time.js";
import type { ClientSocket } from "./client-socket.js";

/** Of handling messages in one turn of the event loop, about: a message begins in this time. */
const TURN_MS = 4;
/** Messages of one turn, at most, and how many of them are handled as they arrive. */
const PER_TURN = 32;
const AS_THEY_ARRIVE = 4;
/** Turns left out after one that took longer than this: a connection is accepted in each. */
const LONG_MS = 2;
const RESTS = 4;
/** Of one sender before the next one's turn, bytes; a message counts this much more. */
const ROUND_BYTES = 16 << 10;
const MESSAGE_BYTES = 3 << 10;

/** Messages of a client that has not introduced itself: it has to, and may send pings. */
const MAX_OF_UNKNOWN = 16;

/** Who sends a message, as far as that is known. */
export interface MessageSender {
  /** Of a client that has not introduced itself: its address. */
  readonly name: string;
  readonly isKnown: boolean;
}

export interface MessageTurns {
  /**
   * Calls `handle` with each message of the socket at its turn, in order. `senderOf` is asked when a message has to wait. One that still
   * waits when either side closes the socket is dropped: its answer could not be sent.
   */
  serve(socket: TakingTurns, senderOf: () => MessageSender, handle: (data: RawData, isBinary: boolean) => void): void;
}

type TakingTurns = Pick<
  ClientSocket,
  "waitingMessages" | "terminate" | "holdMessage" | "releaseMessage" | "parseInTurns" | "readyState" | "OPEN"
> & {
  on(event: "message", listener: (data: RawData, isBinary: boolean) => void): unknown;
};

/**
 * Parses and handles the messages of all sockets for a short time in each turn of the event loop: one read from a connection brings
 * hundreds, and one sender has many connections. Those that wait take turns by sender, and at a sender's turn by socket. Clients that
 * introduce themselves do not wait behind what others ask for; they are disconnected when they send much else. Nothing is read from a
 * socket while a message of it waits.
 */
export function createMessageTurns(): MessageTurns {
  const ofKnown = createLines(RESTS);
  const ofUnknown = createLines(0);
  const parsingOfKnown = createLines(RESTS);
  const parsingOfUnknown = createLines(RESTS);
  let opened = 0;
  return {
    serve(socket, senderOf, handle) {
      opened += 1;
      const name = String(opened);
      /** Kept while messages wait: they stay in order. */
      let [lines, sender] = [ofUnknown, ""];
      socket.parseInTurns((parse) => {
        const { name: from, isKnown } = senderOf();
        const parsing = isKnown ? parsingOfKnown : parsingOfUnknown;
        if (!parsing.handledNow(parse)) parsing.push(from, name, MESSAGE_BYTES, parse);
      });
      let sent = 0;
      socket.on("message", (data, isBinary) => {
        if (socket.readyState !== socket.OPEN) return;
        const message = () => handle(data, isBinary);
        const waits = socket.waitingMessages > 0;
        if (!waits) {
          const { name: from, isKnown } = senderOf();
          [lines, sender] = [isKnown ? ofKnown : ofUnknown, from];
        }
        sent += 1;
        if (lines === ofUnknown && sent > MAX_OF_UNKNOWN) return socket.terminate();
        if (!waits && lines.handledNow(message)) return;
        const bytes = lengthOf(data);
        socket.holdMessage(bytes);
        lines.push(sender, name, MESSAGE_BYTES + bytes, () => {
          socket.releaseMessage(bytes);
          if (socket.readyState === socket.OPEN) message();
        });
      });
    },
  };
}

interface Lines {
  /** Whether nobody waits and little was handled in this turn: then the message was handled. */
  handledNow(message: () => void): boolean;
  push(sender: string, socket: string, cost: number, message: () => void): void;
}

function createLines(rests: number): Lines {
  const turns = createFairQueue<string>(ROUND_BYTES);
  const lines = new Map<string, FairQueue<() => void>>();
  let isBegun = false;
  let handled = 0;
  let beganMs = 0;

  function handle(message: () => void): void {
    if (handled === 0) beganMs = monotonicMs();
    handled += 1;
    message();
  }

  function handleNext(): void {
    if (handled > 0 && monotonicMs() - beganMs >= TURN_MS) return;
    const [sender = ""] = turns.take(1);
    const line = lines.get(sender);
    const [message] = line?.take(1) ?? [];
    if (line?.size === 0) lines.delete(sender);
    if (message !== undefined) handle(message);
  }

  /** The turn ends once all that its messages set off at once has run. */
  function begin(): void {
    if (!isBegun) nextTurn(() => rest(handled > 0 && monotonicMs() - beganMs >= LONG_MS ? rests : 0));
    isBegun = true;
  }

  function rest(left: number): void {
    if (left > 0 && turns.size > 0) nextTurn(() => rest(left - 1));
    else beginNext();
  }

  function beginNext(): void {
    isBegun = false;
    handled = 0;
    if (turns.size === 0) return;
    // What a message sets off at once runs before the next one is handled.
    for (let n = Math.min(turns.size, PER_TURN); n > 0; n -= 1) nextTurn(handleNext);
    begin();
  }

  return {
    handledNow(message) {
      if (turns.size > 0 || handled >= AS_THEY_ARRIVE) return false;
      handle(message);
      begin();
      return true;
    },
    push(sender, socket, cost, message) {
      const line = lines.get(sender) ?? createFairQueue(ROUND_BYTES);
      lines.set(sender, line);
      turns.push(sender, sender, cost);
      line.push(socket, message, cost);
      begin();
    },
  };
}

const lengthOf = (data: RawData): number =>
  Array.isArray(data) ? data.reduce((sum, part) => sum + part.length, 0) : data.byteLength;
