import pg from "pg";
import { type Repeat, repeat } from "#platform/lifecycle/repeat.js";
import { sleep } from "#platform/lifecycle/time.js";
import type { Database } from "./database.js";
import { createSession } from "./session.js";

const BACKOFF = { firstMs: 200, longestMs: 5_000 };
const END_WITHIN_MS = 500;

export interface ListenOptions {
  readonly database: Pick<Database, "url" | "profiles">;
  readonly channel: string;
  onNotification(payload: string): void;
  /** A new connection: earlier notifications may have been missed. */
  onConnect?(): void;
  readonly onError: (error: unknown) => void;
}

/**
 * Keeps one LISTEN connection, reconnecting with backoff and jitter. Notifications may be lost, so they may only reduce
 * latency.
 */
export function keepListening(options: ListenOptions): Pick<Repeat, "stop"> {
  return repeat({
    everyMs: BACKOFF.firstMs,
    backoff: BACKOFF,
    run: (stopping) => listen(options, stopping),
    onError: options.onError,
  });
}

/** Ends on `stopping` or when the connection breaks. Throws when it cannot be made, so that the next try comes later. */
async function listen(options: ListenOptions, stopping: AbortSignal): Promise<void> {
  const { url, profiles } = options.database;
  const client = createSession({ url, limits: profiles.listen });
  let end = () => {};
  const over = new Promise<void>((resolve) => {
    end = resolve;
  });
  client.on("error", options.onError);
  client.once("end", end);
  client.on("notification", ({ payload = "" }) => options.onNotification(payload));
  stopping.addEventListener("abort", end);
  try {
    await client.connect();
    await client.query(`LISTEN ${pg.escapeIdentifier(options.channel)}`);
    options.onConnect?.();
    await over;
  } finally {
    stopping.removeEventListener("abort", end);
    // pg's `end` of a broken connection may never resolve.
    await Promise.race([client.end(), sleep(END_WITHIN_MS, undefined, { unref: true })]);
  }
}
