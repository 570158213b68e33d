import type { History, Told } from "../../oracle/history.js";
import type { AcknowledgedEvent } from "../../oracle/oracle.js";
import { type EventsAnswer, postEvents } from "../../support/client.js";
import { shuffled } from "../../support/random.js";
import { type Requests } from "../../support/requests.js";

export interface LoadOptions {
  readonly random: () => number;
  readonly tenants: readonly string[];
  readonly total: number;
  readonly duplicateShare: number;
  readonly fromMs: number;
  readonly toMs: number;
  /** Of all events. Two loads of one tenant have different ones. */
  readonly source: string;
}

/** Events in shuffled order, with `duplicateShare` of duplicates. */
export function generateEvents({
  random,
  tenants,
  total,
  duplicateShare,
  fromMs,
  toMs,
  source,
}: LoadOptions): AcknowledgedEvent[] {
  const distinct = Math.round(total * (1 - duplicateShare));
  const events = Array.from({ length: distinct }, (_, n): AcknowledgedEvent => {
    const tokens = random() < 0.5;
    return {
      tenantId: tenants[Math.floor(random() * tenants.length)] ?? "",
      source,
      id: `e${n}`,
      type: tokens ? "llm.completion" : "api.call",
      timeMs: Math.floor(fromMs + random() * (toMs - fromMs)),
      data: tokens
        ? { tokens: `${Math.floor(random() * 1_000)}.${Math.floor(random() * 1_000)}` }
        : { region: `r${n % 5}` },
    };
  });
  for (let n = distinct; n < total; n += 1) {
    const original = events[Math.floor(random() * distinct)];
    if (original !== undefined) events.push(original);
  }
  return shuffled(events, random);
}

/** Splits into batches of 1 to `largest`. */
export function cutBatches<T>(items: readonly T[], largest: number, random: () => number): T[][] {
  const batches: T[][] = [];
  for (let at = 0; at < items.length; ) {
    const size = 1 + Math.floor(random() * largest);
    batches.push(items.slice(at, at + size));
    at += size;
  }
  return batches;
}

const MALFORMED = [
  { specversion: "1.0", id: "no-source", type: "api.call" },
  { specversion: "1.0", id: "x", source: "load", type: "llm.completion", data: { tokens: "many" } },
  { specversion: "0.3", id: "x", source: "load", type: "api.call", data: {} },
  "not an event",
];

/** The body of a batch: CloudEvents, occasionally with a malformed one. */
export function bodyOf(batch: readonly AcknowledgedEvent[], malformedShare: number, random: () => number): unknown[] {
  return batch.flatMap((event) => {
    const good = {
      specversion: "1.0",
      id: event.id,
      source: event.source,
      type: event.type,
      subject: event.tenantId,
      time: new Date(event.timeMs).toISOString(),
      data: event.data,
    };
    return random() < malformedShare ? [MALFORMED[Math.floor(random() * MALFORMED.length)], good] : [good];
  });
}

const RETRY_MS = 100;

/**
 * Posts until success, like a correct client during a server's restart: retries with the same ids, also after an answer that
 * `isForNow` takes for one that will change. Returns the successful response. Every attempt is kept in `history`.
 */
export async function postUntilAnswered(
  url: string,
  key: string,
  body: readonly unknown[],
  requests: Requests,
  isForNow: (answer: string) => boolean,
  history?: History,
): Promise<EventsAnswer> {
  async function attempt(): Promise<Told<EventsAnswer>> {
    const response = await requests.track(postEvents(url, key, body));
    const text = await response?.text().catch(() => undefined);
    if (response === undefined || text === undefined) return { outcome: "unknown" };
    if (response.status === 202) return { outcome: "ok", answer: JSON.parse(text) as EventsAnswer };
    if (response.status < 500 && !isForNow(text)) throw new Error(`answered ${response.status}: ${text}`);
    return { outcome: "unknown" };
  }
  for (;;) {
    const { answer } = await (history === undefined ? attempt() : history.record("events", { events: body }, attempt));
    if (answer !== undefined && !isForNow(JSON.stringify(answer))) return answer;
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}
