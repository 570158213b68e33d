import { TextDecoder } from "node:util";
import { UserError } from "../connection/failure.js";

/** Longest line that is read as one row; an event has at most 64 KiB, a row may have columns that are not sent. */
export const MAX_LINE_CHARACTERS = 1 << 20;

/**
 * Decodes an input: UTF-8, or UTF-16 if it begins with that byte order mark. Throws `UserError` for bytes that are neither:
 * replacing them, as decoders do by default, would send other values than the file has.
 */
export async function* decoded(chunks: AsyncIterable<Buffer | string>): AsyncGenerator<string> {
  let decoder: TextDecoder | undefined;
  let head: Buffer = Buffer.alloc(0);
  let bytes = 0;
  const decode = (chunk: Buffer, stream: boolean): string => {
    decoder ??= new TextDecoder(encodingOf(chunk), { fatal: true });
    try {
      return decoder.decode(chunk, { stream });
    } catch {
      throw new UserError(
        `The input is not valid ${decoder.encoding.toUpperCase()} near its byte ${bytes}: save it as UTF-8, or convert it with iconv.`,
      );
    }
  };
  for await (const chunk of chunks) {
    const read = Buffer.from(chunk);
    // A byte order mark has two bytes.
    const whole: Buffer = decoder === undefined ? Buffer.concat([head, read]) : read;
    if (decoder === undefined && whole.length < 2) {
      head = whole;
      continue;
    }
    yield decode(whole, true);
    bytes += whole.length;
  }
  yield decode(decoder === undefined ? head : Buffer.alloc(0), false);
}

function encodingOf([first, second]: Buffer): string {
  if (first === 0xff && second === 0xfe) return "utf-16le";
  return first === 0xfe && second === 0xff ? "utf-16be" : "utf-8";
}

const LINE_END = /\r\n|\n|\r(?!$)/g;

/** The lines, which end with LF, CR LF or CR; undefined: it is longer than `maxCharacters`, and was not kept. */
export async function* linesOf(
  texts: AsyncIterable<string>,
  maxCharacters = MAX_LINE_CHARACTERS,
): AsyncGenerator<string | undefined> {
  let open = "";
  let isTooLong = false;
  for await (const text of texts) {
    const whole = open + text;
    let start = 0;
    for (const { index, 0: end } of whole.matchAll(LINE_END)) {
      yield isTooLong || index - start > maxCharacters ? undefined : whole.slice(start, index);
      isTooLong = false;
      start = index + end.length;
    }
    open = whole.slice(start);
    if (open.length <= maxCharacters + 1) continue;
    // A carriage return at the end may be half of a line's end.
    isTooLong = true;
    open = open.endsWith("\r") ? "\r" : "";
  }
  const last = open.replace(/\r$/, "");
  if (isTooLong || last.length > maxCharacters) yield undefined;
  else if (last !== "" || open !== "") yield last;
}
