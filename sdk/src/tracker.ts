import { type Connection, MetrlyError, post } from "./http.js";

/** Usage to record. */
export interface UsageEvent {
  /** What happened: a meter counts events of one type. */
  readonly type: string;
  /** The tenant; a tenant's own key fixes it. */
  readonly subject?: string;
  /** Values and dimensions. Numbers that are not whole are safest as strings. */
  readonly data?: Readonly<Record<string, unknown>>;
  /** Unique with `source` for ever: sent twice, it counts once. Default: a random one. */
  readonly id?: string;
  /** Who saw it. Default: the tracker's. */
  readonly source?: string;
  /** When it happened. Default: now. */
  readonly time?: Date;
}

/** An event with everything that makes a repeat recognisable. */
export type TrackedEvent = UsageEvent & Required<Pick<UsageEvent, "id" | "source" | "time">>;

export interface TrackerOptions {
  /** Default: "sdk". */
  readonly source?: string;
  /** Events per request, 1 to 1,000. Default: 200. */
  readonly batchSize?: number;
  /** How long an event waits for others, ms. Default: 1,000. */
  readonly flushAfterMs?: number;
  /** Events in memory; one more is lost, and told. Default: 10,000. */
  readonly maxBuffered?: number;
  /** Longest pause between two attempts, ms. Default: 30,000. */
  readonly maxBackoffMs?: number;
  /** How long a request may take, ms. Default: 10,000. */
  readonly timeoutMs?: number;
  /** Told of each event that Metrly refused for good. Default: console.error. */
  readonly onRejected?: (event: TrackedEvent, code: string, detail: string) => void;
  /** Told each time that a batch could not be sent and will be sent again. Default: console.warn at the first attempt. */
  readonly onRetry?: (error: unknown, attempt: number) => void;
  /** Told of events that will not be sent: the buffer was full, or it was closed before they were. Default: console.error. */
  readonly onLost?: (events: readonly TrackedEvent[], why: "BUFFER_FULL" | "CLOSED") => void;
}

export interface Tracker {
  /**
   * Takes an event into the buffer as it is now; it is sent in the background, again and again with the same id until Metrly has
   * it. Throws TypeError for data that JSON cannot hold.
   */
  track(event: UsageEvent): TrackedEvent;
  /** Resolves when all that is buffered now is acknowledged or refused. */
  flush(): Promise<void>;
  /** Flushes for at most `withinMs` (default 10,000) and takes no more; answers what could not be sent. */
  close(withinMs?: number): Promise<readonly TrackedEvent[]>;
  /** Events that are not acknowledged yet. */
  readonly pending: number;
}

const FIRST_BACKOFF_MS = 200;
const MAX_BATCH = 1_000;
const CLOSE_WITHIN_MS = 10_000;
const TOO_LARGE = 413;

/** Its text is made when it comes: data that cannot be sent must not stand in the way of what comes after. */
interface Buffered {
  readonly event: TrackedEvent;
  readonly text: string;
}

interface ItemResult {
  readonly status: "accepted" | "duplicate" | "rejected";
  readonly code?: string;
  readonly detail?: string;
}

export function createTracker(connection: Connection, options: TrackerOptions = {}): Tracker {
  const {
    source = "sdk",
    flushAfterMs = 1_000,
    maxBuffered = 10_000,
    maxBackoffMs = 30_000,
    timeoutMs = 10_000,
  } = options;
  const batchSize = Math.max(1, Math.min(MAX_BATCH, options.batchSize ?? 200));
  const onRejected = options.onRejected ?? reportRejected;
  const onLost = options.onLost ?? reportLost;
  const onRetry = options.onRetry ?? reportRetry;
  const buffer: Buffered[] = [];
  let sending: Promise<void> | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isClosed = false;
  const closing = new AbortController();

  /** Sends what is there, batch after batch; only one at a time, so that a slow Metrly is not asked more. */
  async function sendAll(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    while (buffer.length > 0 && !closing.signal.aborted) {
      const batch = buffer.slice(0, batchSize);
      await sendUntilAnswered(batch);
      if (!closing.signal.aborted) buffer.splice(0, batch.length);
    }
  }

  async function sendUntilAnswered(batch: readonly Buffered[]): Promise<void> {
    for (let attempt = 0; !closing.signal.aborted; attempt += 1) {
      let results: readonly ItemResult[];
      try {
        results = await sendOnce(batch);
      } catch (error) {
        if (error instanceof MetrlyError && error.status === TOO_LARGE && batch.length > 1) return sendHalves(batch);
        if (error instanceof MetrlyError && !mayWorkLater(error)) {
          for (const { event } of batch) onRejected(event, error.code, error.message);
          return;
        }
        onRetry(error, attempt);
        const asked = error instanceof MetrlyError ? error.retryAfterMs : undefined;
        const backoff =
          Math.min(maxBackoffMs, FIRST_BACKOFF_MS * 2 ** Math.min(attempt, 20)) * (0.5 + Math.random() / 2);
        await pause(Math.max(asked ?? 0, backoff));
        continue;
      }
      // Not inside the above: what `onRejected` throws is no reason to send again.
      return tell(batch, results);
    }
  }

  /** Large events fill a request before the batch is full: none of them is lost for its neighbours' size. */
  async function sendHalves(batch: readonly Buffered[]): Promise<void> {
    const half = Math.ceil(batch.length / 2);
    await sendUntilAnswered(batch.slice(0, half));
    await sendUntilAnswered(batch.slice(half));
  }

  async function sendOnce(batch: readonly Buffered[]): Promise<readonly ItemResult[]> {
    const body = `[${batch.map(({ text }) => text).join(",")}]`;
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(timeoutMs)]);
    // 400: nothing of it was acceptable; the results say why for each.
    const response = await post(connection, "/v1/events", body, {
      ...{ contentType: "application/cloudevents-batch+json", signal, also: [400] },
    });
    const answer: unknown = await response.json();
    const results =
      typeof answer === "object" && answer !== null ? (answer as { results?: unknown }).results : undefined;
    if (Array.isArray(results) && results.length === batch.length) return results;
    const { code, detail } = (answer ?? {}) as { code?: string; detail?: string };
    throw new MetrlyError(code ?? "HTTP_ERROR", detail ?? "not an answer of Metrly's", response.status);
  }

  function tell(batch: readonly Buffered[], results: readonly ItemResult[]): void {
    for (const [index, { event }] of batch.entries()) {
      const result = results[index];
      if (result?.status === "rejected") onRejected(event, result.code ?? "INVALID", result.detail ?? "");
    }
  }

  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(waiting);
        closing.signal.removeEventListener("abort", done);
        resolve();
      };
      const waiting = setTimeout(done, ms);
      closing.signal.addEventListener("abort", done);
    });
  }

  function send(): Promise<void> {
    sending ??= sendAll().finally(() => {
      sending = undefined;
      if (buffer.length > 0 && !closing.signal.aborted) schedule();
    });
    return sending;
  }

  function schedule(): void {
    if (buffer.length >= batchSize) void send();
    else if (timer === undefined && sending === undefined) {
      timer = setTimeout(() => void send(), flushAfterMs);
      // A process that has nothing else to do sends what is left before it ends (below), not a second later.
      (timer as { unref?: () => void }).unref?.();
    }
  }

  async function flush(): Promise<void> {
    const last = buffer.at(-1);
    while (last !== undefined && buffer.includes(last) && !closing.signal.aborted) await send();
  }

  const forget = beforeTheEnd(() => {
    if (buffer.length > 0) void send();
  });

  return {
    track(event) {
      const tracked = {
        ...event,
        id: event.id ?? crypto.randomUUID(),
        source: event.source ?? source,
        time: event.time ?? new Date(),
      };
      if (isClosed || buffer.length >= maxBuffered) onLost([tracked], isClosed ? "CLOSED" : "BUFFER_FULL");
      else {
        buffer.push({ event: tracked, text: JSON.stringify({ specversion: "1.0", ...tracked }) });
        schedule();
      }
      return tracked;
    },
    flush,
    async close(withinMs = CLOSE_WITHIN_MS) {
      isClosed = true;
      const tooLate = setTimeout(() => closing.abort(), withinMs);
      await flush();
      clearTimeout(tooLate);
      forget();
      const left = buffer.splice(0).map(({ event }) => event);
      if (left.length > 0) onLost(left, "CLOSED");
      return left;
    },
    get pending() {
      return buffer.length;
    },
  };
}

interface ProcessLike {
  on(event: "beforeExit", listener: () => void): void;
  off(event: "beforeExit", listener: () => void): void;
}

/** Node, Deno and Bun: when nothing is left to do. Browsers: when the page is hidden, perhaps for good. */
function beforeTheEnd(listener: () => void): () => void {
  const { process, document } = globalThis as { process?: ProcessLike; document?: EventTarget };
  if (typeof process?.on === "function") {
    process.on("beforeExit", listener);
    return () => process.off("beforeExit", listener);
  }
  document?.addEventListener("visibilitychange", listener);
  return () => document?.removeEventListener("visibilitychange", listener);
}

/** A key may be replaced by a new one: usage must not be thrown away because it was not in time. */
const mayWorkLater = (error: MetrlyError): boolean => error.isTemporary || error.status === 401 || error.status === 403;

function reportRetry(error: unknown, attempt: number): void {
  if (attempt === 0) console.warn(`Usage could not be sent to Metrly and is sent again: ${String(error)}`);
}

function reportRejected(event: TrackedEvent, code: string, detail: string): void {
  console.error(`Metrly refused the event ${event.id} of ${event.source}: ${code}: ${detail}`);
}

function reportLost(events: readonly TrackedEvent[], why: string): void {
  console.error(`${events.length} usage events were not sent to Metrly: ${why}`);
}
