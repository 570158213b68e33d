import { hash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { LRUCache } from "lru-cache";
import { MetrlyError } from "#kernel/errors.js";
import { createFairTurns } from "#platform/lifecycle/fair-turns.js";
import { monotonicMs } from "#platform/lifecycle/time.js";
import { asBearer } from "./api-keys.js";
import { createClientAddress, type Sender } from "./client-address.js";

/** Wrong credentials that an address may send at once, and the refill per second. */
const BURST = 50;
const PER_SECOND = 1;
const MAX_ADDRESSES = 10_000;
/** Tokens of addresses over the limit whose signatures are verified at the same time; the connections bound how many wait. */
const VERIFYING = {
  atOnce: 4,
  perCaller: 2,
  waitingPerCaller: Number.POSITIVE_INFINITY,
  waiting: Number.POSITIVE_INFINITY,
};
/** Good tokens of such addresses, which are not verified again for the throttle. */
const REMEMBERED = 1_000;

/** Whether a Bearer header shows a credential that counts now. A rejection: that cannot be told now. */
export type Judge = (authorization: string) => Promise<unknown>;

/**
 * Throttles wrong API keys and tokens per address. A valid one is never refused, so that clients behind one proxy do not affect
 * each other.
 */
export interface KeyThrottle {
  /**
   * Undefined: the request may try. A credential from an address over the limit is judged first: resolves with the refusal
   * (TOO_MANY_ATTEMPTS), or with undefined for one that may be good.
   */
  refusal(request: Sender, authorization: string | undefined): Promise<MetrlyError | undefined> | undefined;
  /** Counts a refused credential; a request without one does not count. */
  noteWrong(request: Sender, authorization: string | undefined): void;
  /** Who judges tokens, of which this process knows nothing by itself. Until then none is good. */
  judgeTokens(judge: Judge): void;
  /** The address whose attempts a request counts to. */
  addressOf(request: Sender): string;
}

export interface KeyThrottleOptions {
  /**
   * Resolves for a good API key, rejects with UNAUTHENTICATED for one that is wrong as far as this process knows. Called only for
   * addresses over the limit.
   */
  readonly judgeKey: Judge;
  /** Proxies, as addresses or CIDR blocks, that tell whose requests they hand on. */
  readonly trustedProxies?: readonly string[];
  readonly now?: () => number;
}

interface Attempts {
  wrong: number;
  atMs: number;
}

export function createKeyThrottle({
  judgeKey,
  trustedProxies = [],
  now = monotonicMs,
}: KeyThrottleOptions): KeyThrottle {
  const addresses = new LRUCache<string, Attempts>({ max: MAX_ADDRESSES });
  const goodTokens = new LRUCache<string, true>({ max: REMEMBERED });
  const turns = createFairTurns(VERIFYING);
  const clientOf = createClientAddress(trustedProxies);
  let judgeToken: Judge | undefined;
  /** Refills over time. */
  const current = (address: string): Attempts => {
    const known = addresses.get(address) ?? { wrong: 0, atMs: now() };
    const atMs = now();
    return { wrong: Math.max(0, known.wrong - ((atMs - known.atMs) / 1_000) * PER_SECOND), atMs };
  };

  async function isWrongToken(address: string, shown: string): Promise<boolean> {
    const known = hash("sha256", shown);
    if (judgeToken === undefined) return true;
    if (goodTokens.has(known)) return false;
    await turns.take(address);
    try {
      const isWrong = await isRefused(judgeToken, shown);
      if (!isWrong) goodTokens.set(known, true);
      return isWrong;
    } finally {
      turns.end(address);
    }
  }

  async function judged(address: string, shown: string, wrong: number): Promise<MetrlyError | undefined> {
    const isWrong = isKey(shown) ? await isRefused(judgeKey, shown) : await isWrongToken(address, shown);
    if (!isWrong) return undefined;
    return new MetrlyError("TOO_MANY_ATTEMPTS", "Too many wrong keys or tokens from this address: try again later", {
      retryAfterSeconds: Math.ceil((wrong - BURST + 1) / PER_SECOND),
    });
  }

  return {
    refusal(request, authorization) {
      if (addresses.size === 0) return undefined;
      const shown = asBearer(authorization);
      if (shown === undefined) return undefined;
      const address = clientOf(request);
      const { wrong } = current(address);
      return wrong < BURST ? undefined : judged(address, shown, wrong);
    },
    noteWrong(request, authorization) {
      const shown = asBearer(authorization);
      if (shown === undefined) return;
      if (!isKey(shown)) goodTokens.delete(hash("sha256", shown));
      const address = clientOf(request);
      const { wrong, atMs } = current(address);
      // Bounded, so that an address that stops is free again within a minute.
      addresses.set(address, { wrong: Math.min(wrong + 1, BURST + 1), atMs });
    },
    judgeTokens(judge) {
      judgeToken = judge;
    },
    addressOf: clientOf,
  };
}

const isKey = (bearer: string): boolean => /^Bearer\s+mtr_/i.test(bearer);

/** What cannot be judged now is left to the handlers. */
async function isRefused(judge: Judge, shown: string): Promise<boolean> {
  try {
    await judge(shown);
    return false;
  } catch (error) {
    if (error instanceof MetrlyError) return error.code === "UNAUTHENTICATED";
    throw error;
  }
}

/** Responses through which the handlers report wrong credentials to the throttle, on any path. */
export function throttledResponse(
  throttle: KeyThrottle,
  Response: typeof ServerResponse<IncomingMessage>,
): typeof ServerResponse<IncomingMessage> {
  return class extends Response {
    override writeHead(status: number, ...rest: unknown[]): this {
      if (status === 401) throttle.noteWrong(this.req, this.req.headers.authorization);
      return Reflect.apply(super.writeHead, this, [status, ...rest]);
    }
  };
}
