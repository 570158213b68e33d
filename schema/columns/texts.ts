import { isAscii, isUtf8 } from "node:buffer";
import { Malformed } from "./malformed.js";

/** Texts one after the other in UTF-8, and the bytes of each. */
export interface TextSection {
  /** All of them in one. */
  readonly text: string;
  readonly isAscii: boolean;
  readonly lengths: readonly number[];
  readonly bytes: number;
}

/** The texts have no lone surrogates, which would become another character. */
export function sectionOf(texts: readonly string[]): TextSection {
  const text = texts.join("");
  const bytes = Buffer.byteLength(text);
  const isPlain = bytes === text.length;
  const lengths = texts.map((one) => (isPlain ? one.length : Buffer.byteLength(one)));
  return { text, isAscii: isPlain, lengths, bytes };
}

/** Writes the section at an offset of `to`, which has room for its bytes. */
export function writeSection(to: Buffer, at: number, { text, isAscii }: TextSection): void {
  to.write(text, at, isAscii ? "latin1" : "utf8");
}

/**
 * The texts of a section that is all of `from`, by the bytes of each. None is empty: that bounds how many there are. Throws Malformed,
 * also for NUL, which no database stores.
 */
export function readSection(from: Buffer, lengths: Float64Array): string[] {
  assertLengths(from, lengths);
  if (from.includes(0)) throw new Malformed("a text has NUL");
  const texts = new Array<string>(lengths.length);
  let at = 0;
  if (isAscii(from)) {
    // One string, of which each text is a part: a conversion for each would cost more than everything else.
    const all = from.toString("latin1");
    for (let index = 0; index < texts.length; index += 1) {
      const end = at + (lengths[index] ?? 0);
      texts[index] = all.slice(at, end);
      at = end;
    }
    return texts;
  }
  if (!isUtf8(from)) throw new Malformed("a text is not valid UTF-8");
  for (let index = 0; index < texts.length; index += 1) {
    const end = at + (lengths[index] ?? 0);
    if (isInsideCharacter(from, end)) throw new Malformed("a text ends inside a character");
    texts[index] = from.toString("utf8", at, end);
    at = end;
  }
  return texts;
}

/** A section of JSON. Throws Malformed, also for a text that is no UTF-8, which would become another one; SyntaxError. */
export function readJson(from: Buffer): unknown {
  if (!isUtf8(from)) throw new Malformed("a text is not valid UTF-8");
  return JSON.parse(from.toString("utf8"));
}

function assertLengths(from: Buffer, lengths: Float64Array): void {
  let bytes = 0;
  for (const length of lengths) {
    if (length < 1) throw new Malformed("a text is empty");
    bytes += length;
  }
  if (bytes !== from.length) throw new Malformed("the texts have other lengths than their section");
}

const isInsideCharacter = (from: Buffer, at: number): boolean => ((from[at] ?? 0) & 0xc0) === 0x80;
