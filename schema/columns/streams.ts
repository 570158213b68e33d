import { isStorable } from "#kernel/storable-text.js";
import { UpgradeRequired } from "#kernel/upgrade-required.js";
import { Malformed } from "./malformed.js";
import { readJson } from "./texts.js";

/** What many events of a record share: events name theirs by its number. */
export interface Stream {
  readonly tenantId: string;
  readonly source: string;
  readonly type: string;
  /** Its events were imported (`?import=true`). */
  readonly isImported: boolean;
}

interface Streamed extends Omit<Stream, "isImported"> {
  readonly imported?: true | undefined;
}

/** Numbers the streams of a record's events, in the order of their first events. */
export function numberStreams(events: readonly Streamed[]): {
  readonly streams: Streamed[];
  readonly numbers: number[];
} {
  const streams: Streamed[] = [];
  const known = new Map<string, Map<string, Map<string, number[]>>>();
  let last: Streamed | undefined;
  let number = 0;
  const numbers = events.map((event) => {
    // Consecutive events usually share a stream.
    if (last !== undefined && isOneStream(last, event)) return number;
    const bySource = within(known, event.tenantId);
    const byType = within(bySource, event.source);
    const candidates = byType.get(event.type) ?? [];
    byType.set(event.type, candidates);
    const found = candidates.find((candidate) => streams[candidate]?.imported === event.imported);
    number = found ?? streams.push(event) - 1;
    if (found === undefined) candidates.push(number);
    last = event;
    return number;
  });
  return { streams, numbers };
}

const isOneStream = (a: Streamed, b: Streamed): boolean =>
  a.tenantId === b.tenantId && a.source === b.source && a.type === b.type && a.imported === b.imported;

function within<V>(outer: Map<string, Map<string, V>>, key: string): Map<string, V> {
  const known = outer.get(key);
  if (known !== undefined) return known;
  const made = new Map<string, V>();
  outer.set(key, made);
  return made;
}

const IMPORTED = 1;

/** JSON: a list of `[tenant, source, type, flags]`; flags 1: imported. */
export const streamsText = (streams: readonly Streamed[]): string =>
  JSON.stringify(
    streams.map(({ tenantId, source, type, imported }) => [tenantId, source, type, imported ? IMPORTED : 0]),
  );

/** Throws Malformed, SyntaxError, and UpgradeRequired for a flag that newer code has. */
export function readStreams(section: Buffer, contract: string): Stream[] {
  const list = readJson(section);
  if (!Array.isArray(list)) throw new Malformed("the streams are not a list");
  return list.map((stream: unknown) => readStream(stream, contract));
}

function readStream(stream: unknown, contract: string): Stream {
  if (!Array.isArray(stream) || stream.length !== 4) throw new Malformed("a stream is not a list of four");
  const [tenantId, source, type, flags]: unknown[] = stream;
  if (!isName(tenantId) || !isName(source) || !isName(type)) throw new Malformed("a stream has no names");
  if (!Number.isInteger(flags) || Number(flags) < 0) throw new Malformed("a stream has no flags");
  if (Number(flags) > IMPORTED) throw new UpgradeRequired({ contract, set: "stream flag", member: String(flags) });
  return { tenantId, source, type, isImported: flags === IMPORTED };
}

const isName = (value: unknown): value is string => typeof value === "string" && value !== "" && isStorable(value);
