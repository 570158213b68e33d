import { expect } from "vitest";
import type { AlertBook } from "./alert-book.testing.js";
import { exactOf, isWithin, type Range, rangeText, textOf } from "./amounts.testing.js";
import { type Asked, asLimit, type LimitAt } from "./limits.testing.js";
import { chargeOf, type Oracle } from "./oracle.testing.js";
import { MAX_KEYS } from "./stage.testing.js";

/** One request as it was sent. */
export interface Sent {
  readonly kind: "consume" | "check";
  readonly asked: Asked;
  readonly key: string;
  readonly ttlMs: number;
}

export interface LimitBody {
  readonly meter: string | null;
  readonly unit?: string;
  readonly window: string;
  readonly kind: string;
  readonly limit: string;
  readonly used: string;
  readonly reserved: string;
  readonly remaining: string;
  readonly resetAt: string;
}

/** A decision, or the problem that stands in its place. */
export interface Body {
  readonly allowed?: boolean;
  readonly reason?: string;
  readonly reservationId?: string;
  readonly expiresAt?: string;
  readonly limits?: readonly LimitBody[];
  readonly code?: string;
  readonly detail?: string;
}

export interface JudgeOptions {
  readonly oracle: Oracle;
  readonly book: AlertBook;
  /** Whether a meter exists yet. */
  hasMeter(meter: string): boolean;
  /** Whether the counters' store refuses writes: what needs none may be answered, and is then exact. */
  isRefused(): boolean;
  /** Whether usage was recorded since, which the counters cannot have heard of. */
  isBehind(): boolean;
}

export type Verdict = "allowed" | "denied" | "none";

export const contentOf = ({ asked }: Pick<Sent, "asked">): string =>
  asked.size === 0 ? "requests" : [...asked].map(([meter, amount]) => `${meter} ${textOf(amount)}`).join(", ");

/** Compares answers with the oracle, which then takes over what was decided. */
export function createJudge({ oracle, book, hasMeter, isRefused, isBehind }: JudgeOptions) {
  const first = new Map<string, { readonly content: string; readonly expiresAt: string | undefined }>();

  function reading(body: LimitBody, limit: LimitAt): void {
    const { used, reserved, blocked } = oracle.expected(limit);
    const name = `${limit.meter ?? "requests"} per ${limit.window}`;
    within(`used of ${name}`, used, body.used);
    within(`reserved of ${name}`, reserved, body.reserved);
    expect([name, body.limit, body.kind]).toEqual([name, textOf(limit.limit), limit.hard ? "HARD" : "SOFT"]);
    const left = limit.limit - exactOf(body.used) - exactOf(body.reserved);
    const remaining = left < 0n || (blocked && limit.hard) ? 0n : left;
    expect(`${name} remaining ${body.remaining}`).toBe(`${name} remaining ${textOf(remaining)}`);
    const { least, most } = oracle.resetAt(limit);
    const resetAt = Date.parse(body.resetAt);
    if (resetAt < least || resetAt > most) {
      const times = [least, most].map((at) => new Date(at).toISOString()).join("..");
      expect(`${name} reset at ${body.resetAt}`).toBe(`${name} reset at ${times}`);
    }
  }

  function readings(all: readonly LimitBody[], limits: readonly LimitAt[]): void {
    const bodies = all.filter((one) => one.unit !== "MONEY");
    moneyReading(all.filter((one) => one.unit === "MONEY"));
    expect(bodies.length, "as many limits as concern the request").toBe(limits.length);
    for (const limit of limits) {
      const body = bodies.find(({ meter, window }) => meter === limit.meter && window === limit.window);
      if (body === undefined) throw new Error(`no reading of ${limit.meter} per ${limit.window}`);
      reading(body, limit);
    }
  }

  function moneyReading(bodies: readonly LimitBody[]): void {
    const expected = oracle.expectedMoney();
    expect(bodies.length, "a limit in money").toBe(expected === undefined ? 0 : 1);
    const [body] = bodies;
    if (expected === undefined || body === undefined) return;
    const { money, used, reserved, end } = expected;
    within("used of money", { least: used, most: used }, body.used);
    within("reserved of money", reserved, body.reserved);
    const left = money.limit - exactOf(body.used) - exactOf(body.reserved);
    expect([body.meter, body.limit, body.kind, body.remaining, body.resetAt]).toEqual([
      ...[null, textOf(money.limit), money.hard ? "HARD" : "SOFT", textOf(left < 0n ? 0n : left)],
      new Date(end).toISOString(),
    ]);
  }

  /** While the store refuses: what needs no write may be answered, the rest by the kinds of the limits. */
  function isUnanswered({ asked }: Sent, body: Body): boolean {
    if (!isRefused()) return false;
    const isHard =
      oracle.limits.moneyAt(oracle.now())?.hard === true ||
      oracle.limits.concerning(asked, oracle.now()).some(({ hard }) => hard);
    if (isHard) return body.allowed === false && body.reason === "COUNTER_REBUILDING";
    return body.allowed === true && body.reason === "DEGRADED" && body.reservationId === undefined;
  }

  function denied(sent: Sent, body: Body, limits: readonly LimitAt[]): void {
    const { asked } = sent;
    const money = oracle.limits.moneyAt(oracle.now());
    const isTooDear = money?.hard === true && oracle.costAlone(asked) > money.limit;
    const isOversized =
      (isTooDear && oracle.moneyDenies(asked, "least")) ||
      limits.some((limit) => limit.hard && chargeOf(limit, asked) > limit.limit && oracle.used(limit, "least") >= 0n);
    if (oracle.fitsButForLoss(asked, "most")) expect(body.reason).toBe("COUNTER_REBUILDING");
    else if (!oracle.fitsButForLoss(asked, "least") && !oracle.anyBlocked(asked)) {
      expect(body.reason).not.toBe("COUNTER_REBUILDING");
      if (isOversized) expect(body.reason).toBe("AMOUNT_EXCEEDS_LIMIT");
    }
    if (body.reason === "AMOUNT_EXCEEDS_LIMIT") {
      const isTooLarge = (one: LimitAt) => one.hard && chargeOf(one, asked) > one.limit;
      expect(isTooDear || limits.some(isTooLarge), "an amount beyond a limit").toBe(true);
    }
    if (sent.kind !== "consume" || body.reason !== "LIMIT_EXCEEDED") return;
    if (money?.hard === true) {
      const isDenying = (side: "least" | "most") => oracle.cost(side, asked) > money.limit;
      const isExhausted = (side: "least" | "most") => oracle.cost(side) >= money.limit;
      if (isDenying("most") && isExhausted("most"))
        book.denied(asLimit(money), oracle.now(), isDenying("least") && isExhausted("least"));
    }
    for (const limit of limits.filter(({ hard }) => hard)) {
      const charge = chargeOf(limit, asked);
      const isDenying = (side: "least" | "most") => oracle.taken(limit, side) + charge > limit.limit;
      const isExhausted = (side: "least" | "most") => oracle.taken(limit, side) >= limit.limit;
      // Of a user of whom nothing counts nobody is told.
      const isKnown = (side: "least" | "most") => !limit.by || oracle.taken(limit, side) > 0n;
      if (isDenying("most") && isExhausted("most") && isKnown("most")) {
        book.denied(limit, oracle.now(), isDenying("least") && isExhausted("least") && isKnown("least"));
      }
    }
  }

  function allowed(sent: Sent, body: Body, limits: readonly LimitAt[], isRepeated: boolean): void {
    if (isRepeated) return;
    expect(["WITHIN_LIMITS", "SOFT_LIMIT_EXCEEDED", "DEGRADED"]).toContain(body.reason);
    const soft = limits.filter(({ hard }) => !hard);
    if (oracle.anyBlocked(sent.asked)) return;
    const money = oracle.limits.moneyAt(oracle.now());
    const isDear = (side: "least" | "most") => money?.hard === false && oracle.cost(side) > money.limit;
    if (isDear("least") || soft.some((limit) => oracle.taken(limit, "least") > limit.limit))
      expect(body.reason).toBe("SOFT_LIMIT_EXCEEDED");
    if (!isDear("most") && soft.every((limit) => oracle.taken(limit, "most") <= limit.limit))
      expect(body.reason).toBe("WITHIN_LIMITS");
  }

  return {
    readings,
    reading,
    first,
    /** Of one request, alone or in a batch. */
    decision(sent: Sent, body: Body): Verdict {
      const { asked, key } = sent;
      const now = oracle.now();
      const unknown = [...asked.keys()].filter((meter) => !hasMeter(meter));
      if (unknown.length > 0) {
        for (const meter of unknown) expect(body.detail).toContain(meter);
        expect(body.code).toBe("INVALID");
        return "none";
      }
      const limits = oracle.limits.concerning(asked, now);
      const held = sent.kind === "consume" ? oracle.held(key) : undefined;
      const content = contentOf(sent);
      const money = oracle.limits.moneyAt(now);
      if (limits.length === 0 && money === undefined) {
        if (held !== undefined && held.content !== content && body.code === "CONFLICT") return "none";
        expect([body.allowed, body.reason, body.limits]).toEqual([true, "NO_LIMITS", []]);
        return "none";
      }
      if (isUnanswered(sent, body)) return "none";
      if (held !== undefined && held.content !== content) {
        expect(body.code, `the key is held by ${held.content}`).toBe("CONFLICT");
        for (const part of [...held.content.split(" "), ...content.split(" ")]) expect(body.detail).toContain(part);
        return "none";
      }
      if (held !== undefined) {
        expect([body.allowed, body.expiresAt], "the same key again").toEqual([
          true,
          new Date(held.expiresAt).toISOString(),
        ]);
        allowed(sent, body, limits, true);
        if (!isBehind()) readings(body.limits ?? [], limits);
        return "allowed";
      }
      if (isRefused()) {
        const isCharged = sent.kind === "consume" && body.allowed === true;
        expect(isCharged, "nothing can be reserved while the store refuses").toBe(false);
      }
      if (isBehind()) {
        if (sent.kind === "consume" && body.reason === "LIMIT_EXCEEDED")
          for (const limit of [...limits, ...(money ? [asLimit(money)] : [])].filter(({ hard }) => hard))
            book.denied(limit, now, false);
        return "none";
      }
      const wanted = oracle.verdict(asked);
      const places = oracle.places() + oracle.placesOf(asked);
      if (sent.kind === "consume" && places > MAX_KEYS && body.code === "TOO_MANY_KEYS") {
        expect(body.detail).toContain(String(MAX_KEYS));
        return "none";
      }
      expect(body.code, body.detail).toBeUndefined();
      if (wanted !== "either") expect(body.allowed, JSON.stringify(body)).toBe(wanted === "allowed");
      if (body.allowed !== true) {
        readings(body.limits ?? [], limits);
        denied(sent, body, limits);
        return "denied";
      }
      if (sent.kind === "consume") {
        expect(places, "what keys alive reserve").toBeLessThanOrEqual(MAX_KEYS);
        const reservation = oracle.admit(key, content, asked, sent.ttlMs);
        expect(body.expiresAt).toBe(new Date(reservation.expiresAt).toISOString());
        expect(oracle.overspent(asked), "promise 4").toEqual([]);
      }
      readings(body.limits ?? [], limits);
      allowed(sent, body, limits, false);
      return "allowed";
    },
    released(key: string, body: { readonly released?: boolean; readonly code?: string }): void {
      const isOpen = oracle.isOpen(key);
      if (isRefused() && body.code === "UNAVAILABLE") return;
      if (isRefused()) expect(body, "nothing can be released while the store refuses").toEqual({ released: false });
      if (isRefused() && isOpen) throw new Error("an open reservation is answered as none");
      expect(body, `release of ${key}`).toEqual({ released: isOpen });
      oracle.release(key);
    },
  };
}

function within(what: string, range: Range, text: string): void {
  if (!isWithin(range, exactOf(text))) expect(`${what} ${text}`).toBe(`${what} ${rangeText(range)}`);
}
