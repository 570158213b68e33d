import type { ErrorCode } from "./codes.js";

/** A refusal, from Metrly's problem document: https://www.rfc-editor.org/rfc/rfc9457. */
export class MetrlyError extends Error {
  override readonly name = "MetrlyError";
  readonly code: ErrorCode;
  readonly status: number;
  /** When to retry, ms from now; undefined: not given. */
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, status: number, retryAfterMs?: number) {
    super(message);
    this.code = code;
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }

  /** Whether a retry may succeed. */
  get isTemporary(): boolean {
    return this.status >= 500 || this.status === 429 || this.status === 408;
  }
}

export interface Connection {
  /** Metrly's address, e.g. `https://metrly.example.com`. */
  readonly url: string;
  /** An API key, or for the control plane a token. */
  readonly apiKey: string;
  /** A replacement for `fetch`, e.g. with a proxy. */
  readonly fetch?: typeof fetch;
}

/**
 * Posts JSON; resolves with a 2xx response or one with a status in `also`. Throws `MetrlyError`, or the error of `fetch`
 * without a response.
 */
export async function post(
  { url, apiKey, fetch: ownFetch }: Connection,
  path: string,
  body: string,
  options: {
    readonly contentType?: string;
    readonly signal?: AbortSignal;
    readonly also?: readonly number[] | "all";
  } = {},
): Promise<Response> {
  const response = await (ownFetch ?? fetch)(`${url.replace(/\/$/, "")}${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${apiKey}`, "content-type": options.contentType ?? "application/json" },
    body,
    ...(options.signal !== undefined && { signal: options.signal }),
  });
  if (response.ok || options.also === "all" || options.also?.includes(response.status)) return response;
  throw refusalOf(response, await response.json().catch(() => undefined));
}

/** Why there is no good response from `url`: what failed below `fetch`, which says nothing itself. */
export function failureAt(url: string, error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : "";
  return `${url}: ${String(error)}${cause}`;
}

/** Converts a response that is not 2xx; `problem`: its body. */
export function refusalOf(response: Response, problem: unknown): MetrlyError {
  const { code, detail } = typeof problem === "object" && problem !== null ? (problem as Problem) : {};
  const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
  return new MetrlyError(
    code ?? "HTTP_ERROR",
    detail ?? `Metrly answered ${response.status}`,
    response.status,
    Number.isFinite(seconds) ? seconds * 1000 : undefined,
  );
}

interface Problem {
  readonly code?: ErrorCode;
  readonly detail?: string;
}
