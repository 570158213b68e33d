import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { backoffMs, randomFraction } from "#platform/lifecycle/random.js";
import { monotonicMs, sleep, timeoutSignal } from "#platform/lifecycle/time.js";
import type { Connection } from "../connection/connection.js";
import { UserError } from "../connection/failure.js";

/** The result of one event, in the order sent. */
const Result = Type.Object({
  status: Type.Union([Type.Literal("accepted"), Type.Literal("duplicate"), Type.Literal("rejected")]),
  code: Type.Optional(Type.String()),
  detail: Type.Optional(Type.String()),
  unmetered: Type.Optional(Type.Boolean()),
});
const Answer = Type.Object({ results: Type.Array(Result) });
const Problem = Type.Object({ code: Type.String(), detail: Type.Optional(Type.String()) });

export type EventResult = Static<typeof Result>;

export interface PostOptions {
  readonly connection: Connection;
  readonly isImport: boolean;
  /** How long one batch is retried before the command ends, ms. */
  readonly giveUpAfterMs: number;
  readonly signal: AbortSignal;
  /** Called before each pause, with why the batch is sent again. */
  onRetry(reason: string): void;
}

/** Senders do not retry in step. */
const BACKOFF = { firstMs: 200, longestMs: 10_000 };
const REQUEST_MS = 30_000;
/** Transient failures, or an incomplete batch: retry the same batch, which ids make safe. */
const AGAIN = new Set([408, 429, 500, 502, 503, 504]);

/**
 * Posts one batch until it has a final result. Throws `UserError` when Metrly refuses the whole batch (a key without the scope,
 * a wrong address) or gives no response for `giveUpAfterMs`; throws the signal's reason when aborted between attempts.
 */
export async function postBatch(events: readonly string[], options: PostOptions): Promise<readonly EventResult[]> {
  const body = `[${events.join(",")}]`;
  const end = monotonicMs() + options.giveUpAfterMs;
  for (let failures = 1; ; failures += 1) {
    options.signal.throwIfAborted();
    const outcome = await tryOnce(body, events.length, options);
    if (outcome.kind === "answered") return outcome.results;
    const pauseMs = outcome.retryAfterMs ?? backoffMs(BACKOFF, failures);
    if (monotonicMs() + pauseMs > end)
      throw new UserError(
        `Gave up after ${options.giveUpAfterMs / 1000} s: ${outcome.reason}. The same command resumes.`,
      );
    options.onRetry(outcome.reason);
    await sleep(pauseMs, options.signal);
  }
}

type Outcome =
  | { readonly kind: "answered"; readonly results: readonly EventResult[] }
  | { readonly kind: "again"; readonly reason: string; readonly retryAfterMs: number | undefined };

async function tryOnce(
  body: string,
  expected: number,
  { connection: { url, token }, isImport }: Pick<PostOptions, "connection" | "isImport">,
): Promise<Outcome> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(`${url}/v1/events${isImport ? "?import=true" : ""}`, {
      method: "POST",
      headers: { "content-type": "application/cloudevents-batch+json", authorization: `Bearer ${token}` },
      body,
      signal: timeoutSignal(REQUEST_MS),
    });
    text = await response.text();
  } catch (error) {
    return { kind: "again", reason: `no response from ${url} (${causeOf(error)})`, retryAfterMs: undefined };
  }
  if (AGAIN.has(response.status)) {
    const reason = `${url} answers ${response.status}`;
    return { kind: "again", reason, retryAfterMs: retryAfterMs(response.headers.get("retry-after")) };
  }
  return { kind: "answered", results: resultsOf(response.status, text, expected, url) };
}

/** A 400 has results too, when every single event was rejected. */
function resultsOf(status: number, text: string, expected: number, url: string): readonly EventResult[] {
  const answer = parsed(text);
  if (Value.Check(Answer, answer) && answer.results.length === expected) return answer.results;
  if (Value.Check(Problem, answer))
    throw new UserError(`${answer.code}: ${answer.detail ?? `answered ${status}`}`, answer.code);
  throw new UserError(`${url} answered ${status} without a result per event. Is this Metrly?`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function retryAfterMs(header: string | null): number | undefined {
  const seconds = Number(header);
  if (header === null || !Number.isFinite(seconds) || seconds < 0) return undefined;
  return Math.min(BACKOFF.longestMs, Math.max(100, seconds * 1000)) * (1 + randomFraction() / 4);
}

function causeOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? ("code" in cause ? String(cause.code) : cause.message || cause.name) : String(cause);
}
