import { ERROR_CODES, type ErrorCode, MetrlyError } from "#kernel/errors.js";
import type { KeyedItem } from "#schema/columns/received.js";
import type { RecentlyAcknowledged } from "../intake/recently-acknowledged.js";
import { type Acceptance, type Arrival, acceptItem } from "../rules/accept-item.js";
import { type Refusal, refuse } from "../rules/refusal.js";
import type { RawItem } from "./body.js";

/** The result of one item, in the order sent. */
interface ItemResult {
  readonly id: string | undefined;
  readonly source: string | undefined;
  readonly status: "accepted" | "duplicate" | "rejected";
  readonly code?: ErrorCode;
  readonly detail?: string;
  /** As far as this process knows, no meter counts the type. */
  readonly unmetered?: true;
}

/** The response to a request, provided the log accepts its fresh items. */
export interface IngestAnswer {
  readonly accepted: number;
  readonly duplicates: number;
  readonly rejected: number;
  readonly results: readonly ItemResult[];
}

export interface Answered {
  readonly answer: IngestAnswer;
  /** The items that are not in the log yet, as far as this process knows. */
  readonly fresh: readonly KeyedItem[];
}

/** The answer to one request, made of its items some at a time. */
export interface Answering {
  /** Decides the request's next items. */
  decide(raws: readonly RawItem[], arrival: Arrival): void;
  /** Once all are decided. */
  answered(): Answered;
}

/** Decides each item separately. An item already in the log, or repeated within the request of `size` items, is a duplicate. */
export function startAnswer(size: number, recent: RecentlyAcknowledged): Answering {
  const fresh: KeyedItem[] = [];
  const seen = new Map<string, KeyedItem>();
  const count = { accepted: 0, duplicates: 0, rejected: 0 };
  const results: ItemResult[] = [];

  function resultOf(raw: RawItem, arrival: Arrival): ItemResult {
    const acceptance = decide(raw, arrival);
    if (acceptance.kind === "rejected") {
      count.rejected += 1;
      return rejection(raw.event, acceptance);
    }
    const { item } = acceptance;
    const { id, source } = item;
    const isDuplicate = isRepeat(seen.get(id), item) || recent.has(item);
    if (isDuplicate) count.duplicates += 1;
    else {
      count.accepted += 1;
      fresh.push(item);
      if (size > 1) seen.set(id, item);
    }
    const status = isDuplicate ? "duplicate" : "accepted";
    return acceptance.isUnmetered ? { id, source, status, unmetered: true } : { id, source, status };
  }

  return {
    decide(raws, arrival) {
      for (const raw of raws) results.push(resultOf(raw, arrival));
    },
    answered: () => ({ answer: { ...count, results }, fresh }),
  };
}

function decide({ event, inexact }: RawItem, arrival: Arrival): Acceptance {
  return inexact === undefined ? acceptItem(event, arrival) : refuse("NUMBER_NOT_EXACT", inexact);
}

function rejection(event: unknown, { code, detail }: Refusal): ItemResult {
  return { id: textMember(event, "id"), source: textMember(event, "source"), status: "rejected", code, detail };
}

const isRepeat = (earlier: KeyedItem | undefined, item: KeyedItem): boolean =>
  earlier !== undefined && earlier.key === item.key && earlier.fingerprint === item.fingerprint;

/**
 * The error of a request with rejected items, for when nothing was taken and for clients that look at nothing but errors: its code is
 * that of all rejected items if they share one that is a 400, otherwise INVALID. `results` has the outcome of each item.
 */
export function rejectionOf(answer: IngestAnswer): MetrlyError {
  const rejected = answer.results.flatMap((result, index) =>
    result.status === "rejected" ? [{ index, code: result.code ?? "INVALID", detail: result.detail ?? "" }] : [],
  );
  const [first] = rejected;
  const isShared = first !== undefined && rejected.every(({ code }) => code === first.code);
  const code = isShared && ERROR_CODES[first.code].status === 400 ? first.code : "INVALID";
  if (answer.results.length === 1) {
    const detail =
      first === undefined || first.code === code
        ? first?.detail
        : `The event was rejected with ${first.code}: ${first.detail}`;
    return new MetrlyError(code, detail ?? "", { ...answer });
  }
  const taken =
    rejected.length === answer.results.length
      ? "No event was accepted"
      : `${rejected.length} of ${answer.results.length} events were rejected; the others were taken, and may be sent again`;
  const named = rejected.slice(0, MAX_NAMED).map(({ index, code, detail }) => `[${index}] ${code} ${detail}`);
  return new MetrlyError(code, `${taken}; \`results\` has each event's outcome: ${named.join("; ")}`, { ...answer });
}

/** Rejected events that the detail names: some clients show nothing else. */
const MAX_NAMED = 5;

function textMember(event: unknown, name: "id" | "source"): string | undefined {
  if (typeof event !== "object" || event === null || !(name in event)) return undefined;
  const value: unknown = Reflect.get(event, name);
  return typeof value === "string" ? value.slice(0, 256) : undefined;
}
