import { EventEmitter } from "node:events";
import type { ExecutionResult } from "graphql";
import { Pool } from "undici";
import { IDENTITY_HEADER } from "#platform/auth/internal-api.js";
import { MAX_ANSWER_BYTES } from "#platform/graphql/answer-size.js";
import { SUBGRAPH_PATH } from "#platform/graphql/subgraph-server.js";
import { jittered } from "#platform/lifecycle/random.js";
import { after, monotonicMs, sleep, type Timer } from "#platform/lifecycle/time.js";
import { parseAnswer } from "./remote-answer.js";

/** Few connections, many operations: more concurrency would only slow a subgraph process down. */
const CONNECTIONS = 32;
/** Bounds the queue for a slow subgraph; further operations fail immediately. */
const MAX_WAITING = 1_000;
const CONNECT_TIMEOUT_MS = 1_000;
/** Shorter than the 72 s after which a subgraph's server closes an idle connection. */
const KEEP_ALIVE_MS = 30_000;
const MAX_RESPONSE_BYTES = 2 * MAX_ANSWER_BYTES;
/** Delay before a retry, so that other connections of a dead process are detected as closed. */
const RETRY_DELAY_MS = 20;
const CONNECTION_LOST: ReadonlySet<unknown> = new Set(["UND_ERR_SOCKET", "ECONNRESET", "EPIPE"]);

/**
 * A request is not cut off earlier than this: the connection goes with it, and a new one costs more than most queries. It also bounds
 * how many connections clients that come and leave make us open.
 */
const CUT_OFF_AFTER_MS = 250;

/** Emits `abort` at the deadline, or when the client has left. */
type Deadline = EventEmitter<{ abort: [] }>;

export interface RemoteHttpOptions {
  readonly url: string;
  /** From the request to the response's last byte, including the wait for a connection. */
  readonly timeoutMs: number;
}

export interface RemoteRequest {
  readonly body: string;
  readonly identityToken: string;
  /** Whether a retry is safe: queries, never mutations. */
  readonly repeatable: boolean;
  /** Ends the request when it aborts, and with it the operation of the subgraph. */
  readonly signal?: AbortSignal | undefined;
}

/** Operations of one subgraph over HTTP, on a connection pool. */
export interface RemoteHttp {
  /** Throws without a GraphQL response: unreachable, timed out, refused, or not GraphQL. */
  ask(request: RemoteRequest): Promise<ExecutionResult>;
  stop(): Promise<void>;
}

export function openRemoteHttp({ url, timeoutMs }: RemoteHttpOptions): RemoteHttp {
  const target = new URL(SUBGRAPH_PATH, url);
  const pool = new Pool(target.origin, {
    connections: CONNECTIONS,
    pipelining: 1,
    connect: { timeout: CONNECT_TIMEOUT_MS },
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    maxResponseSize: MAX_RESPONSE_BYTES,
  });
  let waiting = 0;

  async function send(request: RemoteRequest, signal: Deadline): Promise<ExecutionResult> {
    const { statusCode, body } = await pool.request({
      method: "POST",
      path: target.pathname,
      headers: { "content-type": "application/json", [IDENTITY_HEADER]: request.identityToken },
      body: request.body,
      signal,
    });
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`it answered ${statusCode}: ${text.slice(0, 500)}`);
    const answer: unknown = JSON.parse(text);
    return parseAnswer(answer);
  }

  async function sendOnceMoreIfLost(request: RemoteRequest, deadline: Deadline): Promise<ExecutionResult> {
    try {
      return await send(request, deadline);
    } catch (error) {
      // A pooled connection died before its response: the process may have restarted or been replaced.
      if (!request.repeatable || !isConnectionLost(error)) throw error;
      await sleep(jittered(2 * RETRY_DELAY_MS));
      request.signal?.throwIfAborted();
      return send(request, deadline);
    }
  }

  return {
    async ask(request) {
      if (waiting >= MAX_WAITING) throw new Error(`${MAX_WAITING} operations are queued already`);
      waiting += 1;
      try {
        return await withDeadline(timeoutMs, request.signal, (deadline) => sendOnceMoreIfLost(request, deadline));
      } finally {
        waiting -= 1;
      }
    },
    stop: () => pool.destroy(),
  };
}

const isConnectionLost = (error: unknown): boolean =>
  error instanceof Error && "code" in error && CONNECTION_LOST.has(error.code);

/**
 * Not `AbortSignal.timeout`: its timers live for the full 10 s. Not any signal: undici also takes an event emitter, at a
 * fifth of the cost.
 */
async function withDeadline<T>(
  timeoutMs: number,
  signal: AbortSignal | undefined,
  work: (deadline: Deadline) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const emitter: Deadline = new EventEmitter<{ abort: [] }>();
  const abort = () => emitter.emit("abort");
  const timer = after(timeoutMs, abort);
  const begunMs = monotonicMs();
  let cutOff: Timer | undefined;
  const leave = () => {
    cutOff = after(Math.max(0, begunMs + CUT_OFF_AFTER_MS - monotonicMs()), abort);
  };
  signal?.addEventListener("abort", leave, { once: true });
  try {
    return await work(emitter);
  } finally {
    timer.cancel();
    cutOff?.cancel();
    signal?.removeEventListener("abort", leave);
  }
}
