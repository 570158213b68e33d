import { MetrlyError } from "#kernel/errors.js";

/** Bytes of one operation's answer, as JSON, approximately. */
export const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/** Bytes of the large rows that one operation reads for its answer, of which it may show little. */
export const MAX_READ_BYTES = 4 * MAX_ANSWER_BYTES;

/** What is left of an operation's answer, or of what it may read for it. */
export interface AnswerSize {
  /** Throws TOO_LARGE, then and ever after, if bytes do not fit that are counted later. */
  assertFits(bytes: number): void;
  /** Counts bytes of the answer before they are made, read or copied. Throws TOO_LARGE, then and ever after. */
  take(bytes: number): void;
  isExceeded(): boolean;
}

export function createAnswerSize(limit = MAX_ANSWER_BYTES): AnswerSize {
  let left = limit;
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
    `The answer would be larger than ${MAX_ANSWER_BYTES} bytes, or be made of more than ${MAX_READ_BYTES}: request smaller pages (first), fewer fields with large values, or several operations`,
  );

function perContext(limit: number): (context: object) => AnswerSize {
  const sizes = new WeakMap<object, AnswerSize>();
  return (context) => {
    const size = sizes.get(context) ?? createAnswerSize(limit);
    sizes.set(context, size);
    return size;
  };
}

/** The size of the answer to the operation with this context: one for all services in this process. */
export const answerSizeOf = perContext(MAX_ANSWER_BYTES);
/** What the operation with this context reads in large rows: stores learn their sizes first. */
export const readSizeOf = perContext(MAX_READ_BYTES);
/** Whether the operation with this context exceeded either. */
export const isTooLarge = (context: object): boolean =>
  answerSizeOf(context).isExceeded() || readSizeOf(context).isExceeded();

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
