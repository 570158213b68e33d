import type { ErrorCode } from "./codes.js";
import { exactJson, type Numbers } from "./exact.js";
import { type Connection, failureAt, MetrlyError, post } from "./http.js";
import { pause } from "./pause.js";

/** A usage event. */
export interface UsageEvent {
  /** The event type; a meter counts events of one type. */
  readonly type: string;
  /** The tenant; fixed by a tenant's own key. */
  readonly subject?: string;
  /** Values and dimensions. Use strings for results of floating-point arithmetic, and see `TrackerOptions.numbers`. */
  readonly data?: Readonly<Record<string, unknown>>;
  /** Unique with `source` permanently: duplicates count once. Default: a random one. */
  readonly id?: string;
  /** The producer of the event. Default: the tracker's. */
  readonly source?: string;
  /** The time of the event. Default: now. */
  readonly time?: Date;
}

/** An event with all attributes that identify it. */
export type TrackedEvent = UsageEvent & Required<Pick<UsageEvent, "id" | "source" | "time">>;

export interface TrackerOptions {
  /** Default: "sdk". */
  readonly source?: string;
  /** Events per request, 1 to 1,000. Default: 200. */
  readonly batchSize?: number;
  /** How long an event waits for a batch, ms. Default: 1,000. */
  readonly flushAfterMs?: number;
  /** Buffer capacity in events; further events go to `onLost`. Default: 10,000. */
  readonly maxBuffered?: number;
  /** Longest delay between two attempts, ms. Default: 30,000. */
  readonly maxBackoffMs?: number;
  /** Timeout of a request, ms. Default: 10,000. */
  readonly timeoutMs?: number;
  /** Numbers in `data` that are not exact, such as 0.1 + 0.2. Default: "refuse". */
  readonly numbers?: Numbers;
  /**
   * Called when Metrly refuses the API key: it is wrong, revoked, expired, or lacks the scope INGEST. Nothing more is sent until
   * `flush`, which tries again and throws the same error; events stay in the buffer. Default: console.error.
   */
  readonly onRefused?: (error: MetrlyError) => void;
  /** Called for each event that Metrly rejected permanently. Default: console.error. */
  readonly onRejected?: (event: TrackedEvent, code: ErrorCode, detail: string) => void;
  /**
   * Called for each event that was taken and that no meter counts, as far as the answering process knows: it is not billed.
   * Default: console.warn, once per type.
   */
  readonly onUnmetered?: (event: TrackedEvent) => void;
  /** Called when a batch failed and will be retried. Default: console.warn at the first attempt. */
  readonly onRetry?: (error: unknown, attempt: number) => void;
  /** Called for events that will not be sent: the buffer was full, or closed. Default: console.error. */
  readonly onLost?: (events: readonly TrackedEvent[], why: "BUFFER_FULL" | "CLOSED") => void;
}

export interface Tracker {
  /**
   * Buffers a copy of an event; it is sent in the background and retried with the same id until Metrly accepts it. Throws
   * TypeError for data that JSON cannot represent, and for numbers that are not exact.
   */
  track(event: UsageEvent): TrackedEvent;
  /** Resolves when all events buffered now are acknowledged or rejected. Throws `MetrlyError` if Metrly refuses the API key. */
  flush(): Promise<void>;
  /** Flushes for at most `withinMs` (default 10,000) and accepts no more events; returns the unsent ones. */
  close(withinMs?: number): Promise<readonly TrackedEvent[]>;
  /** Events not acknowledged yet. */
  readonly pending: number;
}

const FIRST_BACKOFF_MS = 200;
const MAX_BATCH = 1_000;
const CLOSE_WITHIN_MS = 10_000;
const TOO_LARGE = 413;

/** Serialized at once: data that cannot be sent must not block later events. */
interface Buffered {
  readonly event: TrackedEvent;
  readonly text: string;
}

interface ItemResult {
  readonly status: "accepted" | "duplicate" | "rejected";
  readonly code?: ErrorCode;
  readonly detail?: string;
  readonly unmetered?: boolean;
}

export function createTracker(connection: Connection, options: TrackerOptions = {}): Tracker {
  const {
    source = "sdk",
    flushAfterMs = 1_000,
    maxBuffered = 10_000,
    maxBackoffMs = 30_000,
    timeoutMs = 10_000,
    numbers = "refuse",
  } = options;
  const batchSize = Math.max(1, Math.min(MAX_BATCH, options.batchSize ?? 200));
  const onRejected = options.onRejected ?? reportRejected;
  const onLost = options.onLost ?? reportLost;
  const onUnmetered = options.onUnmetered ?? createUnmeteredReport();
  const onRetry = options.onRetry ?? ((error, attempt) => reportRetry(connection.url, error, attempt));
  const onRefused = options.onRefused ?? reportRefused;
  const buffer: Buffered[] = [];
  let sending: Promise<void> | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isClosed = false;
  /** Metrly's refusal of the key. */
  let refusal: MetrlyError | undefined;
  const closing = new AbortController();

  /** Sends the buffer, batch by batch; one request at a time limits the load on a slow Metrly. */
  async function sendAll(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    while (buffer.length > 0 && !closing.signal.aborted) {
      const batch = buffer.slice(0, batchSize);
      try {
        await sendUntilAnswered(batch);
      } catch (error) {
        if (!isRefusal(error)) throw error;
        if (refusal === undefined) onRefused(error);
        refusal = error;
        return;
      }
      refusal = undefined;
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
        if (isRefusal(error)) throw error;
        if (error instanceof MetrlyError && !mayWorkLater(error)) {
          for (const { event } of batch) onRejected(event, error.code, error.message);
          return;
        }
        onRetry(error, attempt);
        const asked = error instanceof MetrlyError ? error.retryAfterMs : undefined;
        const backoff =
          Math.min(maxBackoffMs, FIRST_BACKOFF_MS * 2 ** Math.min(attempt, 20)) * (0.5 + Math.random() / 2);
        await pause(Math.max(asked ?? 0, backoff), closing.signal);
        continue;
      }
      // Outside the try: an exception of `onRejected` must not cause a retry.
      return tell(batch, results);
    }
  }

  /** Large events fill a request before the batch is full, so a batch never exceeds the body limit. */
  async function sendHalves(batch: readonly Buffered[]): Promise<void> {
    const half = Math.ceil(batch.length / 2);
    await sendUntilAnswered(batch.slice(0, half));
    await sendUntilAnswered(batch.slice(half));
  }

  async function sendOnce(batch: readonly Buffered[]): Promise<readonly ItemResult[]> {
    const body = `[${batch.map(({ text }) => text).join(",")}]`;
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(timeoutMs)]);
    // 400: every event was invalid; the results have the reasons.
    const response = await post(connection, "/v1/events", body, {
      ...{ contentType: "application/cloudevents-batch+json", signal, also: [400] },
    });
    const answer: unknown = await response.json();
    const results =
      typeof answer === "object" && answer !== null ? (answer as { results?: unknown }).results : undefined;
    if (Array.isArray(results) && results.length === batch.length) return results;
    const { code, detail } = (answer ?? {}) as { code?: ErrorCode; detail?: string };
    throw new MetrlyError(code ?? "HTTP_ERROR", detail ?? "the response is not from Metrly", response.status);
  }

  function tell(batch: readonly Buffered[], results: readonly ItemResult[]): void {
    for (const [index, { event }] of batch.entries()) {
      const result = results[index];
      if (result?.status === "rejected") onRejected(event, result.code ?? "INVALID", result.detail ?? "");
      else if (result?.unmetered === true) onUnmetered(event);
    }
  }

  function send(): Promise<void> {
    sending ??= sendAll().finally(() => {
      sending = undefined;
      if (buffer.length > 0 && !closing.signal.aborted) schedule();
    });
    return sending;
  }

  function schedule(): void {
    if (refusal !== undefined) return;
    if (buffer.length >= batchSize) void send();
    else if (timer === undefined && sending === undefined) {
      timer = setTimeout(() => void send(), flushAfterMs);
      // An idle process flushes the rest before it exits (below), not a second later.
      (timer as { unref?: () => void }).unref?.();
    }
  }

  async function flush(): Promise<void> {
    const last = buffer.at(-1);
    while (last !== undefined && buffer.includes(last) && !closing.signal.aborted) {
      await send();
      if (refusal !== undefined) throw refusal;
    }
  }

  const forget = beforeTheEnd(() => {
    if (buffer.length > 0 && refusal === undefined) void send();
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
        buffer.push({ event: tracked, text: exactJson({ specversion: "1.0", ...tracked }, numbers) });
        schedule();
      }
      return tracked;
    },
    flush,
    async close(withinMs = CLOSE_WITHIN_MS) {
      isClosed = true;
      const tooLate = setTimeout(() => closing.abort(), withinMs);
      // A refused key is told of already, and the events are returned.
      await flush().catch(() => undefined);
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

/** Node, Deno and Bun: when the event loop is empty. Browsers: when the page is hidden, perhaps permanently. */
function beforeTheEnd(listener: () => void): () => void {
  const { process, document } = globalThis as { process?: ProcessLike; document?: EventTarget };
  if (typeof process?.on === "function") {
    process.on("beforeExit", listener);
    return () => process.off("beforeExit", listener);
  }
  document?.addEventListener("visibilitychange", listener);
  return () => document?.removeEventListener("visibilitychange", listener);
}

/** Others with these statuses may pass: a suspended tenant is resumed, a proxy gets its session back. None must drop usage. */
const mayWorkLater = (error: MetrlyError): boolean => error.isTemporary || error.status === 401 || error.status === 403;

/** Metrly's own word that this key may not send. */
const isRefusal = (error: unknown): error is MetrlyError =>
  error instanceof MetrlyError && (error.code === "UNAUTHENTICATED" || error.code === "FORBIDDEN");

function reportRefused({ code, message }: MetrlyError): void {
  console.error(`Metrly refuses this API key, and no usage is sent: ${code}: ${message}`);
}

function reportRetry(url: string, error: unknown, attempt: number): void {
  if (attempt > 0) return;
  // Of `fetch`: its own message does not say what failed.
  console.warn(`Sending usage to Metrly failed and will be retried: ${failureAt(url, error)}`);
}

function reportRejected(event: TrackedEvent, code: string, detail: string): void {
  console.error(`Metrly refused the event ${event.id} of ${event.source}: ${code}: ${detail}`);
}

/** Most types that are told of: a type may hold an id. */
const MAX_TOLD_TYPES = 100;

function createUnmeteredReport(): (event: TrackedEvent) => void {
  const told = new Set<string>();
  return ({ type }) => {
    if (told.has(type) || told.size >= MAX_TOLD_TYPES) return;
    told.add(type);
    console.warn(`No meter of Metrly counts events of type ${JSON.stringify(type)}: they are recorded, and not billed`);
  };
}

function reportLost(events: readonly TrackedEvent[], why: string): void {
  console.error(`Usage events that were not sent to Metrly: ${events.length} (${why})`);
}
