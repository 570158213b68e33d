import { type ErrorCode, MetrlyError } from "#kernel/errors.js";
import type { ReceivedItem } from "#schema/events/usage-received.v2.js";
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
  readonly fresh: readonly ReceivedItem[];
}

const UNMETERED = { unmetered: true } as const;

/** Decides each item separately. An item already in the log, or repeated within the request, is a duplicate. */
export function answerOf(raws: readonly RawItem[], arrival: Arrival, recent: RecentlyAcknowledged): Answered {
  const fresh: ReceivedItem[] = [];
  const seen = new Map<string, ReceivedItem>();
  const count = { accepted: 0, duplicates: 0, rejected: 0 };

  function resultOf(raw: RawItem): ItemResult {
    const acceptance = decide(raw, arrival);
    if (acceptance.kind === "rejected") {
      count.rejected += 1;
      return rejection(raw.event, acceptance);
    }
    const { item } = acceptance;
    const hint = acceptance.isUnmetered ? UNMETERED : undefined;
    const { id, source } = item;
    if (isRepeat(seen.get(id), item) || recent.has(item)) {
      count.duplicates += 1;
      return { id, source, status: "duplicate", ...hint };
    }
    count.accepted += 1;
    fresh.push(item);
    if (raws.length > 1) seen.set(id, item);
    return { id, source, status: "accepted", ...hint };
  }

  const results = raws.map(resultOf);
  return { answer: { ...count, results }, fresh };
}

function decide({ event, inexact }: RawItem, arrival: Arrival): Acceptance {
  return inexact === undefined ? acceptItem(event, arrival) : refuse("NUMBER_NOT_EXACT", inexact);
}

function rejection(event: unknown, { code, detail }: Refusal): ItemResult {
  return { id: textMember(event, "id"), source: textMember(event, "source"), status: "rejected", code, detail };
}

function isRepeat(earlier: ReceivedItem | undefined, item: ReceivedItem): boolean {
  return (
    earlier !== undefined &&
    earlier.source === item.source &&
    earlier.type === item.type &&
    earlier.tenantId === item.tenantId &&
    earlier.data === item.data
  );
}

/** The code shared by all items if it is a 400; `results` has each item's own. */
export function nothingAcceptable(answer: IngestAnswer): MetrlyError {
  const [first, ...others] = answer.results;
  const shared = others.every(({ code }) => code === first?.code) ? first?.code : undefined;
  const detail = others.length === 0 ? (first?.detail ?? "") : "No event was accepted; `results` has the reasons";
  const error = new MetrlyError(shared ?? "INVALID", detail, { ...answer });
  return error.status === 400 ? error : new MetrlyError("INVALID", detail, { ...answer });
}

function textMember(event: unknown, name: "id" | "source"): string | undefined {
  if (typeof event !== "object" || event === null || !(name in event)) return undefined;
  const value: unknown = Reflect.get(event, name);
  return typeof value === "string" ? value.slice(0, 256) : undefined;
}
