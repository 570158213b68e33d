import type { Duplex } from "node:stream";
import { WebSocket } from "ws";
import { after, every, type Timer } from "#platform/lifecycle/time.js";

/** An unsent message with what waits for its end. Its bytes count as unread responses, with those of HTTP. */
const UNSENT_BYTES = 1_024;
/** Of a message that waits to be handled, beside its bytes. */
const WAITING_BYTES = 512;
/** Part of a message that came with others lies in a block read from the connection. */
const FRAGMENT_BYTES = 65_536;
const CHUNK_BYTES = 512;

/** Messages and reads from the connection, until the client's close frame. */
const MAX_STEPS_OF_CLOSE = 64;

const MAX_HELD_BYTES = 64 << 20;
const CHECK_MS = 250;

type Sent = Parameters<WebSocket["send"]>[0];
type SendOptions = Parameters<WebSocket["send"]>[1];
type OnSent = (error?: Error) => void;

/** Parses one message, ping or pong of what has arrived. */
type Parse = () => void;

/** The server's side of a socket. */
export class ClientSocket extends WebSocket {
  #isTerminated = false;
  #onClosing: () => void = () => undefined;
  /** Of parsing, since it was closed. */
  #stepsOfClose = 0;
  /** Something has arrived that is not parsed. */
  #isToParse = false;
  #unsent = 0;
  #waiting = 0;
  #waitingBytes = 0;

  /** A client that leaves before its answers are sent is no error: graphql-ws would print each of them to the console. */
  override send(data: Sent, options?: SendOptions | OnSent, onSent?: OnSent): void {
    const settled = typeof options === "function" ? options : onSent;
    this.#unsent += 1;
    super.send(data, typeof options === "function" ? {} : (options ?? {}), () => {
      this.#unsent -= 1;
      settled?.();
    });
  }

  override terminate(): void {
    this.#isTerminated = true;
    super.terminate();
  }

  /** What still comes is read up to the client's close frame, but parsed only for a few steps: a client may send on. */
  override close(code?: number, reason?: string | Buffer): void {
    super.close(code, reason);
    this.#onClosing();
    // Messages that wait are dropped, and nothing waits behind them.
    this.resume();
  }

  /** Cuts off the connection this long after either side has begun to close it. Call it before anything has arrived. */
  cutOffAfterClosing(graceMs: number): void {
    let timer: Timer | undefined;
    this.#onClosing = () => {
      timer ??= after(graceMs, () => this.terminate(), { unref: true });
    };
    // Without a close frame: ws would wait for ever until the client has read what it was sent.
    this.#connection().once("end", this.#onClosing);
    this.once("close", () => {
      timer?.cancel();
      this.#onClosing = () => undefined;
    });
    // graphql-ws closes a socket of another subprotocol before anybody else sees it.
    if (this.readyState !== WebSocket.OPEN) this.#onClosing();
  }

  #connection(): Duplex {
    return Reflect.get<object, string>(this, "_socket");
  }

  /** Whether to parse on. What comes after too much behind a close is read and dropped: unread, it would cost the client the code. */
  #isToGoOn(): boolean {
    if (this.#isTerminated) return false;
    if (this.readyState === WebSocket.OPEN) return true;
    this.#stepsOfClose += 1;
    if (this.#stepsOfClose <= MAX_STEPS_OF_CLOSE) return true;
    this.#connection().removeAllListeners("data");
    this.resume();
    return false;
  }

  /**
   * Hands over each step of parsing what has arrived, to be taken in order. What a terminated socket has sent is not parsed, and little
   * of what a closed one has: ws would, and a block of 64 KiB has thousands of messages. Call it before anything has arrived.
   */
  parseInTurns(take: (parse: Parse) => void): void {
    // ws has no other way to stop within a block.
    const receiver: object = Reflect.get<object, string>(this, "_receiver");
    const startLoop = Reflect.get(receiver, "startLoop");
    const parse = (done: () => void): void => {
      this.#isToParse = false;
      if (this.#isToGoOn()) Reflect.apply(startLoop, receiver, [done]);
      else done();
    };
    const begin = (done: () => void): void => {
      if (this.#isTerminated) {
        done();
        return;
      }
      // Its answer to a ping may come behind many megabytes.
      this.#proveAlive();
      this.#isToParse = true;
      take(() => parse(done));
    };
    Reflect.set(receiver, "startLoop", begin);
  }

  /** Messages that have arrived and wait to be handled. While there are some, nothing more is read. */
  get waitingMessages(): number {
    return this.#waiting;
  }

  /** A message of this many bytes waits. */
  holdMessage(bytes: number): void {
    if (this.#waiting === 0) {
      this.pause();
      this.#proveAlive();
    }
    this.#waiting += 1;
    this.#waitingBytes += bytes;
  }

  /** It waits no more. */
  releaseMessage(bytes: number): void {
    this.#waiting -= 1;
    this.#waitingBytes -= bytes;
    if (this.#waiting === 0) this.resume();
  }

  /** Asks whether the client is still there. While something of it waits, its answer would not be seen. */
  override ping(...args: Parameters<WebSocket["ping"]>): void {
    if (this.#waiting > 0 || this.#isToParse) this.#proveAlive();
    else super.ping(...args);
  }

  #proveAlive(): void {
    this.emit("pong", Buffer.alloc(0));
  }

  /**
   * Roughly what the client makes this process hold: messages that it does not read, beside their bytes, those that wait to be
   * handled, and one that it does not complete.
   */
  heldBytes(): number {
    const whole = this.#unsent * UNSENT_BYTES + this.#waiting * WAITING_BYTES + this.#waitingBytes;
    // ws has no other way to tell what has arrived of a message.
    const receiver: unknown = Reflect.get(this, "_receiver");
    if (typeof receiver !== "object" || receiver === null) return whole;
    const of = (name: string): unknown => Reflect.get(receiver, name);
    const [chunks, fragments] = [of("_buffers"), of("_fragments")];
    const parts = lengthOf(chunks) * CHUNK_BYTES + lengthOf(fragments) * FRAGMENT_BYTES;
    return whole + Number(of("_bufferedBytes")) + parts;
  }
}

const lengthOf = (list: unknown): number => (Array.isArray(list) ? list.length : 0);

/** Bounds what all clients hold: those that hold most are disconnected until the rest is below. Call the result to stop. */
export function boundHeldBytes(clients: Iterable<ClientSocket>, maxBytes = MAX_HELD_BYTES): () => void {
  const timer = every(
    CHECK_MS,
    () => {
      const holding = [...clients].map((client) => ({ client, bytes: client.heldBytes() }));
      let all = holding.reduce((sum, { bytes }) => sum + bytes, 0);
      if (all <= maxBytes) return;
      for (const { client, bytes } of holding.sort((a, b) => b.bytes - a.bytes)) {
        if (all <= maxBytes) return;
        all -= bytes;
        client.terminate();
      }
    },
    { unref: true },
  );
  return () => timer.cancel();
}
