import { type Answer, dataOf, type GraphError } from "./graph.js";
import { type Connection, MetrlyError } from "./http.js";
import type { Operation } from "./operation.js";
import { pause } from "./pause.js";

const PROTOCOL = "graphql-transport-ws";
const MIN_BACKOFF_MS = 250;
const MAX_BACKOFF_MS = 5_000;
/** Silence after which a socket is considered dead. */
const SILENCE_MS = 30_000;
/** Backpressure: results buffered for a slow reader before the subscription pauses. */
const MAX_WAITING = 1_000;

export interface SubscribeOptions {
  /** Resumes after this cursor; default: from now on. */
  readonly after?: string;
  /** Ends the subscription without an error. */
  readonly signal?: AbortSignal;
  /** Called on each interruption, with the delay until the next attempt, ms. */
  readonly onInterruption?: (reason: string, retryInMs: number) => void;
}

/** The `WebSocket` class of the runtime, or of the package `ws` where it has none (Node before 22). */
export type WebSocketClass = new (
  url: string,
  protocol: string,
) => {
  readonly readyState: number;
  send(text: string): void;
  close(code?: number): void;
};

/**
 * The results of a subscription. After a disconnect it resumes after the last `cursor` received, so nothing is missed and
 * nothing repeated, provided the operation selects `cursor` and takes `$after`. Ends when the signal is aborted or the
 * reader leaves; throws `MetrlyError` for an error that a retry would not fix.
 */
export async function* subscribeGraph<Result, Variables>(
  { url, apiKey, webSocket = globalThis.WebSocket }: Connection & { readonly webSocket?: WebSocketClass },
  query: Operation<Result, Variables>,
  variables: Variables,
  { after, signal, onInterruption }: SubscribeOptions = {},
): AsyncGenerator<Result, void, undefined> {
  if (webSocket === undefined)
    throw new TypeError(
      "this runtime has no WebSocket: pass the class of the package `ws` to createMetrly as `webSocket`",
    );
  const address = `${url.replace(/\/$/, "").replace(/^http/, "ws")}/graphql`;
  let cursor = after;
  for (let failures = 0; !isAborted(signal); failures += 1) {
    const attempt = open({ address, apiKey, webSocket, query, variables: { ...variables, after: cursor }, signal });
    try {
      for await (const result of attempt.results as AsyncIterable<Result>) {
        cursor = cursorOf(result) ?? cursor;
        failures = 0;
        yield result;
      }
    } finally {
      attempt.close();
    }
    const reason = attempt.reason();
    if (reason === undefined || isAborted(signal)) return;
    const retryInMs = Math.random() * Math.min(MAX_BACKOFF_MS, MIN_BACKOFF_MS * 2 ** failures);
    onInterruption?.(reason, retryInMs);
    await pause(retryInMs, signal);
  }
}

const isAborted = (signal: AbortSignal | undefined): boolean => signal?.aborted === true;

/** Of the subscription's single field. */
function cursorOf(result: unknown): string | undefined {
  const [event] = typeof result === "object" && result !== null ? Object.values(result) : [];
  const { cursor } = typeof event === "object" && event !== null ? (event as { cursor?: unknown }) : {};
  return typeof cursor === "string" ? cursor : undefined;
}

interface AttemptOptions {
  readonly address: string;
  readonly apiKey: string;
  readonly webSocket: WebSocketClass;
  readonly query: string;
  readonly variables: object;
  readonly signal: AbortSignal | undefined;
}

type Message =
  | { readonly type: "connection_ack" | "ping" | "pong" | "complete" }
  | { readonly type: "next"; readonly payload: Answer<unknown> }
  | { readonly type: "error"; readonly payload: readonly GraphError[] };

/** One socket: its results, and why it ended (undefined: completed). */
function open({ address, apiKey, webSocket, query, variables, signal }: AttemptOptions) {
  // The handlers' types differ between the runtimes and `ws`, and what is used of them does not.
  const socket = new webSocket(address, PROTOCOL) as WebSocket;
  const waiting: unknown[] = [];
  let failure: unknown;
  let reason: string | undefined;
  let isOver = false;
  let wake = () => {};
  let silence: ReturnType<typeof setTimeout> | undefined;
  const send = (message: object) => socket.send(JSON.stringify(message));
  const end = (why: string | undefined, error?: unknown) => {
    if (isOver) return;
    [isOver, reason, failure] = [true, why, error];
    clearTimeout(silence);
    signal?.removeEventListener("abort", abort);
    if (socket.readyState <= socket.OPEN) socket.close(1000);
    wake();
  };
  const abort = () => end(undefined);
  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(() => end("no message was received"), SILENCE_MS);
  };
  signal?.addEventListener("abort", abort);
  heard();

  socket.onopen = () => send({ type: "connection_init", payload: { authorization: `Bearer ${apiKey}` } });
  socket.onmessage = ({ data }) => {
    if (isOver) return;
    heard();
    const message = JSON.parse(String(data)) as Message;
    switch (message.type) {
      case "connection_ack":
        return send({ id: "1", type: "subscribe", payload: { query, variables } });
      case "ping":
        return send({ type: "pong" });
      case "next":
        waiting.push(message.payload);
        if (waiting.length > MAX_WAITING) end("the reader is slow");
        return wake();
      case "error":
        return end("refused", errorOf(message.payload[0]));
      case "complete":
        return end(undefined);
    }
  };
  socket.onerror = () => end("no connection");
  socket.onclose = ({ code, reason: said }) =>
    code === 4401 || code === 4403
      ? end(
          "refused",
          new MetrlyError(said === "FORBIDDEN" ? said : "UNAUTHENTICATED", "The key or token was refused", 401),
        )
      : end(`closed with ${code} ${said}`.trim());

  async function* results(): AsyncGenerator<unknown, void, undefined> {
    for (;;) {
      while (waiting.length > 0) yield dataOf(waiting.shift() as Answer<unknown>, 200);
      if (isOver) break;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    if (failure !== undefined) throw failure;
  }
  return { results: results(), reason: () => reason, close: () => end(undefined) };
}

const PASSING: ReadonlySet<unknown> = new Set(["UNAVAILABLE", "SUBGRAPH_UNAVAILABLE", "BUSY", "LOG_UNAVAILABLE"]);

/** Undefined: worth a retry. */
function errorOf(error: GraphError | undefined): MetrlyError | undefined {
  const code = error?.extensions?.code;
  return PASSING.has(code) ? undefined : new MetrlyError(code ?? "HTTP_ERROR", error?.message ?? "refused", 400);
}
