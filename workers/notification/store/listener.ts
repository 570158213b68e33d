import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { NOTICES_CHANNEL } from "./notices.js";

const MIN_RETRY_MS = 100;
const MAX_RETRY_MS = 5_000;

export interface FeedListenerOptions {
  readonly url: string;
  /** A tenant has new notices. */
  onNotice(tenantId: string): void;
  /** A new connection: earlier notifications may have been missed. */
  onConnect(): void;
  onError(error: unknown): void;
}

/**
 * Keeps one LISTEN connection, reconnecting with backoff and jitter. It only reduces latency: the feed's poll finds everything
 * without it.
 */
export function startFeedListener(options: FeedListenerOptions): { stop(): Promise<void> } {
  const stopped = new AbortController();
  const running = keepListening(options, stopped.signal);
  return {
    async stop() {
      stopped.abort();
      await running;
    },
  };
}

async function keepListening(options: FeedListenerOptions, stopped: AbortSignal): Promise<void> {
  let failures = 0;
  while (!stopped.aborted) {
    try {
      await listenOnce(options, stopped, () => {
        failures = 0;
      });
    } catch (error) {
      if (stopped.aborted) return;
      options.onError(error);
    }
    failures += 1;
    const waitMs = Math.min(MAX_RETRY_MS, MIN_RETRY_MS * 2 ** failures) * (0.5 + Math.random() / 2);
    await delay(waitMs, undefined, { signal: stopped }).catch(ignoreAbort);
  }
}

/** Resolves when stopped, rejects when the connection breaks. */
async function listenOnce(options: FeedListenerOptions, stopped: AbortSignal, onUp: () => void): Promise<void> {
  const client = new pg.Client({ connectionString: options.url, keepAlive: true, connectionTimeoutMillis: 10_000 });
  const over = new Promise<void>((resolve, reject) => {
    client.on("error", reject);
    client.on("end", () => (stopped.aborted ? resolve() : reject(new Error("the LISTEN connection ended"))));
    stopped.addEventListener("abort", () => resolve(), { once: true });
  });
  // Handled below; a failure while connecting must not count as unhandled.
  over.catch(() => undefined);
  try {
    client.on("notification", ({ payload }) => options.onNotice(payload ?? ""));
    await client.connect();
    await client.query(`LISTEN ${pg.escapeIdentifier(NOTICES_CHANNEL)}`);
    onUp();
    options.onConnect();
    await over;
  } finally {
    await client.end();
  }
}

function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error && error.name === "AbortError")) throw error;
}
