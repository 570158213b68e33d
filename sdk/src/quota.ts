import type { DecisionReason } from "./codes.js";
import { startDeadline } from "./deadline.js";
import { exactNumber, type Numbers } from "./exact.js";
import { type Connection, failureAt, MetrlyError, post, refusalOf } from "./http.js";
import type { LimitKind, QuotaWindow } from "./operations.js";

/** A quantity of one meter. */
export interface MeterUsage {
  readonly meter: string;
  /** As `QuotaRequest.amount`, without a default. */
  readonly amount: string | number | bigint;
}

export interface QuotaRequest {
  /** The meter; undefined: counts only as a request. */
  readonly meter?: string;
  /** Default: "1". Text for amounts with more than 15 digits; other numbers that are not exact: see `QuotaOptions.numbers`. */
  readonly amount?: string | number | bigint;
  /**
   * Instead of `meter` and `amount`: quantities of at most 20 meters, reserved together or not at all. The event whose id is the key
   * settles each meter that it counts for.
   */
  readonly usage?: readonly MeterUsage[];
  /**
   * Values of the usage's dimensions. Required are those that limits of the tenant's plan count by (`by`, `where`): INVALID names
   * the missing ones.
   */
  readonly dimensions?: Readonly<Record<string, string>>;
  /**
   * The same key is charged once until its reservation's `expiresAt`, and means the same meters, amounts and dimensions: others throw CONFLICT.
   * A denied one may be retried. Use it as the id of the usage event.
   */
  readonly idempotencyKey: string;
  /** How long the amount stays reserved without an event, s. Default: 300. */
  readonly ttlSeconds?: number;
  /** Required with a platform key. */
  readonly tenantId?: string;
}

export interface DimensionMatch {
  readonly dimension: string;
  readonly value: string;
}

export interface LimitReading {
  /** Null: the limit counts requests, or money. */
  readonly meter: string | null;
  /** Of a limit on what all usage of the billing period costs: its numbers are amounts of `currency`. */
  readonly unit?: "MONEY";
  /** ISO 4217. */
  readonly currency?: string;
  readonly window: QuotaWindow;
  readonly kind: LimitKind;
  /** Of a limit with `by`: the combination of values that these numbers are about. */
  readonly dimensions?: readonly DimensionMatch[];
  /** Of a limit with `where`: the values that usage must have. */
  readonly where?: readonly DimensionMatch[];
  readonly limit: string;
  readonly used: string;
  readonly reserved: string;
  readonly remaining: string;
  readonly resetAt: string;
  /** Present if the limit's meter is archived: nothing recorded counts against the limit. */
  readonly meterArchived?: true;
}

export interface Decision {
  readonly allowed: boolean;
  readonly reason: DecisionReason;
  /** With `UNREACHABLE`: the address, and what failed there. */
  readonly cause?: string;
  readonly reservationId?: string;
  readonly expiresAt?: string;
  readonly limits: readonly LimitReading[];
  /** `RateLimit`, `RateLimit-Policy` and, if waiting helps, `Retry-After`, to pass on. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface QuotaOptions {
  /** The decision during an outage. There is no right default, so it is required. */
  readonly whenUnreachable: "allow" | "deny";
  /** Timeout of a decision or release, including retries, ms of running time: a standstill of this process does not count. Default: 1,000. */
  readonly timeoutMs?: number;
  /** An `amount` that is not exact, such as 0.1 + 0.2. Default: "refuse". */
  readonly numbers?: Numbers;
}

export interface Quota {
  /**
   * Reserves the amount if every hard limit has room. Throws `MetrlyError` for an invalid request, never for an outage, and
   * TypeError for an amount that is not exact.
   */
  consume(request: QuotaRequest): Promise<Decision>;
  /** Checks without charging. */
  check(request: Omit<QuotaRequest, "idempotencyKey">): Promise<Decision>;
  /**
   * Releases the remaining reservation of the key. False: there was none, or Metrly did not answer; a reservation then ends at its
   * `expiresAt`. Throws `MetrlyError` for an invalid request, never for an outage.
   */
  release(request: { readonly idempotencyKey: string; readonly tenantId?: string }): Promise<boolean>;
}

const HEADERS = ["ratelimit", "ratelimit-policy", "retry-after"];
const ATTEMPTS = 2;
const DENIED = 429;

export function createQuota(connection: Connection, options: QuotaOptions): Quota {
  const { whenUnreachable, timeoutMs = 1_000, numbers = "refuse" } = options;

  /** Metrly's answer; during an outage, what failed last. Throws `MetrlyError` for a refusal. */
  async function ask<Answer>(path: string, body: string): Promise<Answered<Answer> | { readonly failure: string }> {
    const whole = startDeadline(timeoutMs);
    try {
      for (let attempt = 1; ; attempt += 1) {
        // Each attempt has a share of the time: one that hangs leaves enough for the next.
        const share = startDeadline((timeoutMs * attempt) / ATTEMPTS);
        try {
          const signal = AbortSignal.any([whole.signal, share.signal]);
          const response = await post(connection, path, body, { signal, also: [DENIED] });
          const contentType = response.headers.get("content-type");
          if (contentType?.startsWith("application/problem+json")) throw refusalOf(response, await response.json());
          if (!contentType?.startsWith("application/json"))
            throw new MetrlyError("HTTP_ERROR", "the response is not a decision from Metrly", 503);
          return { answer: (await response.json()) as Answer, headers: response.headers };
        } catch (error) {
          if (error instanceof MetrlyError && (error.status === DENIED || !error.isTemporary)) throw error;
          if (attempt === ATTEMPTS || whole.signal.aborted) return { failure: failureAt(connection.url, error) };
        } finally {
          share.cancel();
        }
      }
    } finally {
      whole.cancel();
    }
  }

  async function decide(path: string, { amount, usage, ...rest }: Partial<QuotaRequest>): Promise<Decision> {
    const exact = (given: MeterUsage["amount"], name: string) =>
      typeof given === "string" ? given : exactNumber(given, name, numbers);
    const body = JSON.stringify({
      ...rest,
      ...(amount !== undefined && { amount: exact(amount, "amount") }),
      ...(usage !== undefined && {
        usage: usage.map((one, index) => ({ ...one, amount: exact(one.amount, `usage.${index}.amount`) })),
      }),
    });
    const asked = await ask<Omit<Decision, "headers">>(path, body);
    if ("answer" in asked) return { ...asked.answer, headers: passedOn(asked.headers) };
    return {
      ...{ allowed: whenUnreachable === "allow", reason: "UNREACHABLE", cause: asked.failure },
      ...{ limits: [], headers: {} },
    };
  }

  return {
    consume: (request) => decide("/v1/quota/consume", request),
    check: (request) => decide("/v1/quota/check", request),
    async release(request) {
      const asked = await ask<{ readonly released: boolean }>("/v1/quota/release", JSON.stringify(request));
      return "answer" in asked && asked.answer.released;
    },
  };
}

interface Answered<Answer> {
  readonly answer: Answer;
  readonly headers: Headers;
}

function passedOn(headers: Headers): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of HEADERS) {
    const value = headers.get(name);
    if (value !== null) found[name] = value;
  }
  return found;
}
