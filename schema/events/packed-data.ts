/**
 * The text of a record that carries many events: one line of JSON, which says of each event how long its `data` is, and behind
 * it the `data` of all, end to end. So nothing is escaped when it is written, and who reads it parses only what it needs.
 */
export function packData(head: string, data: readonly string[]): string {
  return `${head}\n${data.join("")}`;
}

export interface PackedData {
  /** One line of JSON. */
  readonly head: string;
  /** The next `length` UTF-16 code units of the data. Throws RangeError when there are fewer. */
  take(length: number): string;
  /** Throws RangeError when something is left: lengths and data don't belong together. */
  end(): void;
}

/** Undefined: the text is in no such form. JSON never holds a line feed unless somebody made it pretty. */
export function unpackData(text: string): PackedData | undefined {
  const headEnd = text.indexOf("\n");
  if (headEnd === -1) return undefined;
  let at = headEnd + 1;
  return {
    head: text.slice(0, headEnd),
    take(length) {
      const until = at + length;
      if (until > text.length) throw new RangeError("the data of a record is cut off");
      const data = text.slice(at, until);
      at = until;
      return data;
    },
    end() {
      if (at !== text.length) throw new RangeError("a record has more data than its events");
    },
  };
}

/** Printable ASCII that JSON does not escape. */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/** A text as `JSON.stringify` prints it, for less. */
export const quoted = (text: string): string => (PLAIN.test(text) ? `"${text}"` : JSON.stringify(text));
