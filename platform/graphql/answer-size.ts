import { MetrlyError } from "#kernel/errors.js";

/** Bytes of one operation's answer, as JSON, approximately. */
export const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/** What is left of an operation's answer. */
export interface AnswerSize {
  /** Throws TOO_LARGE, then and ever after, if bytes do not fit that are counted later. */
  assertFits(bytes: number): void;
  /** Counts bytes of the answer before they are made, read or copied. Throws TOO_LARGE, then and ever after. */
  take(bytes: number): void;
  isExceeded(): boolean;
}

export function createAnswerSize(): AnswerSize {
  let left = MAX_ANSWER_BYTES;
  function take(bytes: number): void {
    left -= bytes;
    if (left < 0) throw answerTooLarge();
  }
  return {
    assertFits(bytes) {
      if (bytes > left) take(bytes);
    },
    take,
    isExceeded: () => left < 0,
  };
}

export const answerTooLarge = (): MetrlyError =>
  new MetrlyError(
    "TOO_LARGE",
    `The answer would be larger than ${MAX_ANSWER_BYTES} bytes: request smaller pages (first), fewer fields with large values, or several operations`,
  );

const sizes = new WeakMap<object, AnswerSize>();

/** The size of the answer to the operation with this context: one for all services in this process. */
export function answerSizeOf(context: object): AnswerSize {
  const size = sizes.get(context) ?? createAnswerSize();
  sizes.set(context, size);
  return size;
}

/** Of punctuation around a member, and of a number, a boolean or null. */
const SMALL = 4;

/** Approximate bytes of a value as JSON. */
export function jsonBytes(value: unknown): number {
  if (typeof value === "string") return value.length < 64 ? value.length : Buffer.byteLength(value);
  if (typeof value !== "object" || value === null) return SMALL;
  let bytes = 0;
  const waiting: unknown[] = [value];
  while (waiting.length > 0) {
    const next = waiting.pop();
    bytes += SMALL;
    if (Array.isArray(next)) for (const item of next) waiting.push(item);
    else if (typeof next === "object" && next !== null) {
      for (const [key, inner] of Object.entries(next)) {
        bytes += key.length + SMALL;
        waiting.push(inner);
      }
    } else bytes += jsonBytes(next);
  }
  return bytes;
}
