import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import type { LookupFunction } from "node:net";
import { storableText } from "#kernel/storable-text.js";
import { after, nowMs } from "#platform/lifecycle/time.js";
import { type AttemptResult, parseRetryAfter } from "../rules/retry.js";
import { type Address, checkTarget, type Resolve, type TargetPolicy } from "./ssrf.js";

/** From resolving the name to the end of the response, ms. */
export const SEND_TIMEOUT_MS = 15_000;
/** Maximum bytes kept of a response's body: enough to diagnose failures. */
export const MAX_RESPONSE_BYTES = 4096;

export interface SendOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly policy: TargetPolicy;
  readonly resolve: Resolve;
  readonly timeoutMs?: number;
  /** Aborts the attempt (shutdown): it counts as failed. */
  readonly signal?: AbortSignal;
}

/**
 * One attempt, which never rejects. Checks the target again, and connects to a checked address. Success is a 2xx status;
 * redirects are failures.
 */
export async function sendWebhook(options: SendOptions): Promise<AttemptResult> {
  const startedAt = nowMs();
  const outcome = await withDeadline(options, (signal) => attempt(options, signal));
  return {
    startedAt,
    durationMs: nowMs() - startedAt,
    responseStatus: undefined,
    responseBody: undefined,
    retryAfterMs: undefined,
    isPermanent: false,
    ...outcome,
  };
}

/** Not `AbortSignal.timeout` and `any`: their timers would live for the whole timeout after a short attempt. */
async function withDeadline<T>(
  { timeoutMs = SEND_TIMEOUT_MS, signal: outer }: Pick<SendOptions, "timeoutMs" | "signal">,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const interrupt = (): void => controller.abort(new Error(INTERRUPTED));
  if (outer?.aborted) interrupt();
  outer?.addEventListener("abort", interrupt, { once: true });
  const timer = after(timeoutMs, () => controller.abort(new Error("timeout")));
  try {
    return await work(controller.signal);
  } finally {
    timer.cancel();
    outer?.removeEventListener("abort", interrupt);
  }
}

const INTERRUPTED = "interrupted by a shutdown";

type Outcome = Pick<AttemptResult, "error"> & Partial<AttemptResult>;

async function attempt(options: SendOptions, signal: AbortSignal): Promise<Outcome> {
  try {
    const target = await untilAborted(checkTarget(options.url, options.policy, options.resolve), signal);
    if (target.kind === "forbidden") return { error: `target refused: ${target.reason}`, isPermanent: true };
    if (target.kind === "unresolved") return { error: target.reason };
    const response = await post(target.url, target.addresses, options, signal);
    return await outcomeOf(response, signal);
  } catch (error) {
    return { error: signal.aborted ? abortReason(signal) : describe(error) };
  }
}

function post(url: URL, addresses: readonly Address[], options: SendOptions, signal: AbortSignal) {
  const request = url.protocol === "https:" ? requestHttps : requestHttp;
  return new Promise<IncomingMessage>((resolve, reject) => {
    const outgoing = request(url, {
      method: "POST",
      // A new connection per attempt: a pooled one would outlive the check of its address.
      agent: false,
      lookup: onlyTo(addresses),
      signal,
      headers: {
        "content-type": "application/json",
        "content-length": String(Buffer.byteLength(options.body)),
        "accept-encoding": "identity",
        "user-agent": "Metrly-Webhooks/1",
        ...options.headers,
      },
    });
    outgoing.on("response", resolve);
    outgoing.on("error", reject);
    // The only event after an answer to a request for another protocol, which nobody asked for.
    outgoing.on("close", () => reject(new Error("the connection closed without a response")));
    outgoing.end(options.body);
  });
}

/** Answers every lookup with the checked addresses, which defeats DNS rebinding. */
function onlyTo(addresses: readonly Address[]): LookupFunction {
  return (_hostname, options, callback) => {
    const [first] = addresses;
    if (options.all) callback(null, [...addresses]);
    else callback(null, first?.address ?? "", first?.family ?? 4);
  };
}

async function outcomeOf(response: IncomingMessage, signal: AbortSignal): Promise<Outcome> {
  const status = response.statusCode ?? 0;
  const seen = {
    responseStatus: status,
    responseBody: await readStart(response, signal),
    retryAfterMs: parseRetryAfter(response.headers["retry-after"], nowMs()),
  };
  if (status >= 200 && status < 300) return { ...seen, error: undefined };
  const location = status >= 300 && status < 400 ? " (redirects are not followed)" : "";
  return { ...seen, error: `the receiver answered ${status}${location}` };
}

/**
 * The first bytes of the body as text that PostgreSQL can store. The status alone decides, so a body that breaks off or hangs
 * is only truncated.
 */
async function readStart(response: IncomingMessage, signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  await new Promise<void>((done) => {
    response.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= MAX_RESPONSE_BYTES) done();
    });
    response
      .once("end", done)
      .once("error", () => done())
      .once("close", done);
    signal.addEventListener("abort", () => done(), { once: true });
    if (signal.aborted) done();
  });
  response.destroy();
  return storableText(Buffer.concat(chunks).subarray(0, MAX_RESPONSE_BYTES).toString("utf8"));
}

export function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(new Error(abortReason(signal)));
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

const abortReason = ({ reason }: AbortSignal): string => describe(reason);

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const inner = error instanceof AggregateError ? error.errors.map((one) => describe(one)).join("; ") : "";
  return inner || error.message || error.name;
}
