import { EventEmitter } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import type { ExecutionResult } from "graphql";
import { Pool } from "undici";
import { IDENTITY_HEADER } from "#platform/auth/internal-api.js";
import { SUBGRAPH_PATH } from "#platform/graphql/subgraph-server.js";
import { parseAnswer } from "./remote-answer.js";

/** Few connections, many operations: a subgraph process serves more than this at once only by being slower for each. */
const CONNECTIONS = 32;
/** Bounds what waits for a slow subgraph; more is refused at once instead of after the timeout. */
const MAX_WAITING = 1_000;
const CONNECT_TIMEOUT_MS = 1_000;
/** Shorter than the 72 s after which a subgraph's server closes an idle connection. */
const KEEP_ALIVE_MS = 30_000;
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;
/** Lets the other connections of a process that died be seen as closed before one is used again. */
const RETRY_DELAY_MS = 20;
const CONNECTION_LOST: ReadonlySet<unknown> = new Set(["UND_ERR_SOCKET", "ECONNRESET", "EPIPE"]);

/** Emits `abort` when it is over. */
type Deadline = EventEmitter<{ abort: [] }>;

export interface RemoteHttpOptions {
  readonly url: string;
  /** From asking to the answer's last byte, waiting for a connection included. */
  readonly timeoutMs: number;
}

export interface RemoteRequest {
  readonly body: string;
  readonly identityToken: string;
  /** Whether asking twice does no harm: queries, never mutations. */
  readonly repeatable: boolean;
}

/** Operations of one subgraph over HTTP, on a pool of kept connections. */
export interface RemoteHttp {
  /** Throws when no GraphQL answer came: unreachable, too late, refused, or not GraphQL. */
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
    maxResponseSize: MAX_ANSWER_BYTES,
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
      // A kept connection died before its answer: the process may have restarted, or another one is there.
      if (!request.repeatable || !isConnectionLost(error)) throw error;
      await delay(RETRY_DELAY_MS * (1 + Math.random()));
      return send(request, deadline);
    }
  }

  return {
    async ask(request) {
      if (waiting >= MAX_WAITING) throw new Error(`${MAX_WAITING} operations wait for it already`);
      waiting += 1;
      try {
        return await withDeadline(timeoutMs, (deadline) => sendOnceMoreIfLost(request, deadline));
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
 * Not `AbortSignal.timeout`, whose timers live to their end, 10 s for each operation of some milliseconds; nor any signal:
 * undici also takes an emitter, which costs a fifth.
 */
async function withDeadline<T>(timeoutMs: number, work: (deadline: Deadline) => Promise<T>): Promise<T> {
  const emitter: Deadline = new EventEmitter<{ abort: [] }>();
  const timer = setTimeout(() => {
    emitter.emit("abort");
  }, timeoutMs);
  try {
    return await work(emitter);
  } finally {
    clearTimeout(timer);
  }
}
