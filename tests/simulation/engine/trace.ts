import { createHash } from "node:crypto";

export interface Trace {
  add(line: string): void;
  readonly lines: readonly string[];
  /** Of all lines: two runs with one hash did the same. */
  hash(): string;
}

export function createTrace(): Trace {
  const lines: string[] = [];
  return {
    lines,
    add: (line) => void lines.push(line),
    hash: () => shortHash(lines.join("\n")),
  };
}

export const shortHash = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 16);

/** The hash of any value. */
export const digestOf = (value: unknown): string => shortHash(asText(value)).slice(0, 6);

/** Any value; buffers and dates by their content. */
export const asText = (value: unknown): string => JSON.stringify(value, withIntegers) ?? "";

const withIntegers = (_: string, value: unknown): unknown => (typeof value === "bigint" ? `${value}n` : value);
