/**
 * The text of a record with many events: a head in one line of JSON, with the length of each event's `data`, followed by the
 * concatenated `data`. Writing escapes nothing, and readers parse only the events they need.
 */
export function packData(head: string, data: readonly string[]): string {
  return `${head}\n${data.join("")}`;
}

export interface PackedData {
  /** One line of JSON. */
  readonly head: string;
  /** The next `length` UTF-16 code units of the data. Throws RangeError when there are fewer. */
  take(length: number): string;
  /** Throws RangeError for trailing data: the lengths do not match the data. */
  end(): void;
}

/** Undefined: not packed. JSON has no line feed unless it is pretty-printed. */
export function unpackData(text: string): PackedData | undefined {
  const headEnd = text.indexOf("\n");
  if (headEnd === -1) return undefined;
  let at = headEnd + 1;
  return {
    head: text.slice(0, headEnd),
    take(length) {
      const until = at + length;
      if (until > text.length) throw new RangeError("a record's data is truncated");
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

/** The same result as `JSON.stringify` of a string, faster. */
export const quoted = (text: string): string => (PLAIN.test(text) ? `"${text}"` : JSON.stringify(text));
