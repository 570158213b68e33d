import type { IncomingMessage, ServerResponse } from "node:http";
import ipaddr from "ipaddr.js";
import { LRUCache } from "lru-cache";
import { MetrlyError } from "#kernel/errors.js";
import { monotonicMs } from "#platform/lifecycle/time.js";
import { asBearer } from "./api-keys.js";

/** Wrong keys that an address may send at once, and the refill per second. */
const BURST = 50;
const PER_SECOND = 1;
const MAX_ADDRESSES = 10_000;
/** IPv6 clients own a whole /64, so throttle by network. */
const IPV6_NETWORK_GROUPS = 4;

/**
 * Throttles wrong keys per address. A valid key is never refused, so that clients behind one proxy do not affect each other.
 */
export interface KeyThrottle {
  /** Throws TOO_MANY_ATTEMPTS for an invalid key, in any form of the header, from an address over the limit. */
  assertMayTry(address: string | undefined, authorization: string | undefined): void;
  /** Counts a refused credential; only API keys count. */
  noteWrongKey(address: string | undefined, authorization: string | undefined): void;
}

interface Attempts {
  wrong: number;
  atMs: number;
}

/** `isGood` is called with a Bearer header, only for keys from addresses over the limit. */
export function createKeyThrottle(isGood: (authorization: string) => boolean, now = monotonicMs): KeyThrottle {
  const addresses = new LRUCache<string, Attempts>({ max: MAX_ADDRESSES });
  /** Refills over time. */
  const current = (address: string): Attempts => {
    const known = addresses.get(address) ?? { wrong: 0, atMs: now() };
    const atMs = now();
    return { wrong: Math.max(0, known.wrong - ((atMs - known.atMs) / 1_000) * PER_SECOND), atMs };
  };
  return {
    assertMayTry(address, authorization) {
      if (addresses.size === 0) return;
      const shown = asBearer(authorization);
      if (!isKey(shown)) return;
      const { wrong } = current(networkOf(address));
      if (wrong < BURST || isGood(shown)) return;
      throw new MetrlyError("TOO_MANY_ATTEMPTS", "Too many wrong API keys from this address: try again later", {
        retryAfterSeconds: Math.ceil((wrong - BURST + 1) / PER_SECOND),
      });
    },
    noteWrongKey(address, authorization) {
      if (!isKey(asBearer(authorization))) return;
      const network = networkOf(address);
      const { wrong, atMs } = current(network);
      // Bounded, so that an address that stops is free again within a minute.
      addresses.set(network, { wrong: Math.min(wrong + 1, BURST + 1), atMs });
    },
  };
}

const isKey = (bearer: string | undefined): bearer is string => /^Bearer\s+mtr_/i.test(bearer ?? "");

/** The client behind an address: an IPv4 address, or the /64 of an IPv6 address. */
export function networkOf(address = ""): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  return parsed.kind() === "ipv6"
    ? parsed.toString().split(":").slice(0, IPV6_NETWORK_GROUPS).join(":")
    : parsed.toString();
}

/** Responses through which the handlers report wrong keys to the throttle, on any path. */
export function throttledResponse(
  throttle: KeyThrottle,
  Response: typeof ServerResponse<IncomingMessage>,
): typeof ServerResponse<IncomingMessage> {
  return class extends Response {
    override writeHead(status: number, ...rest: unknown[]): this {
      const { req } = this;
      if (status === 401) throttle.noteWrongKey(req.socket.remoteAddress, req.headers.authorization);
      return Reflect.apply(super.writeHead, this, [status, ...rest]);
    }
  };
}
