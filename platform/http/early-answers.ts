import { type IncomingMessage, ServerResponse } from "node:http";
import { after } from "#platform/lifecycle/time.js";

/** Of a body that is answered before it has arrived, this much is read and dropped; after that the connection is closed. */
const MAX_DROPPED_BYTES = 16 << 20;
const MAX_DROPPING_MS = 10_000;
/** Longer ones wait for their readers as bytes outside the heap. */
const MAX_TEXT = 16 << 10;

/**
 * Responses that may end before their request's body has arrived, a refusal for example. The answer is sent at once, and the
 * rest of the body is read and dropped before the response ends. A connection closed with unread bytes is reset, and clients
 * that still send then see a broken connection instead of the answer.
 */
export class EarlyResponse extends ServerResponse<IncomingMessage> {
  #isEnding = false;

  override end(...rest: unknown[]): this {
    const { req } = this;
    if (this.#isEnding) return this;
    if (req.complete || req.destroyed || !hasBody(req)) return this.#endNow(rest);
    this.#isEnding = true;
    const [text, encoding] = rest;
    const chunk = bytesOfLong(text, encoding);
    const isText = typeof chunk === "string" || chunk instanceof Uint8Array;
    if (isText) Reflect.apply(super.write, this, [chunk, typeof encoding === "string" ? encoding : undefined]);
    else this.flushHeaders();
    dropRest(req, (isWhole) => {
      this.#endNow([rest.find((one) => typeof one === "function")]);
      if (!isWhole) req.socket.destroySoon();
    });
    return this;
  }

  #endNow([chunk, ...rest]: readonly unknown[]): this {
    Reflect.apply(super.end, this, [bytesOfLong(chunk, rest[0]), ...rest]);
    return this;
  }
}

/** A text in the heap has up to twice as many bytes as characters, and the unread bytes of a connection count its characters. */
function bytesOfLong(chunk: unknown, encoding: unknown): unknown {
  const isUtf8 = typeof encoding !== "string" || /^utf-?8$/i.test(encoding);
  return typeof chunk === "string" && chunk.length > MAX_TEXT && isUtf8 ? Buffer.from(chunk) : chunk;
}

/** Whether a request announces a body. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";
}

/** Whether a response has begun on the connection of a request that is not over. node:http asks the same way. */
export function isAnswering(socket: object): boolean {
  const response: unknown = Reflect.get(socket, "_httpMessage");
  return response instanceof ServerResponse && response.headersSent;
}

function dropRest(request: IncomingMessage, done: (isWhole: boolean) => void): void {
  let bytes = 0;
  const timer = after(MAX_DROPPING_MS, () => finish(false), { unref: true });
  const count = (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_DROPPED_BYTES) finish(false);
  };
  const whole = () => finish(true);
  const gone = () => finish(false);
  function finish(isWhole: boolean): void {
    timer.cancel();
    request.off("data", count).off("end", whole).off("close", gone);
    done(isWhole);
  }
  request.on("data", count).on("end", whole).on("close", gone).resume();
}
