import type { Amount, CounterCharge, LostBound } from "./counters.js";

/**
 * What a tenant's counters must answer, computed from lists of everything that happened. It knows nothing of how the counters
 * work: no buckets, no sums, no queues.
 */
export const UNIT: Amount = 10n ** 12n;
const HOUR = 3_600_000;

/** Windows with a start and an end: the lengths that follow each other, which need not be equal. */
const PERIODS = { BILLING_PERIOD: [3 * HOUR], CALENDAR_DAY: [2 * HOUR, 2.5 * HOUR, 3 * HOUR] } as const;
type PeriodWindow = keyof typeof PERIODS;
const WINDOW_LENGTH = { MINUTE: 60_000, HOUR, DAY: 24 * HOUR } as const;
export type ModelWindow = keyof typeof WINDOW_LENGTH | PeriodWindow;
const isPeriod = (window: ModelWindow): window is PeriodWindow => window in PERIODS;

function periodOf(window: PeriodWindow, at: number): { readonly start: number; readonly end: number } {
  const lengths: readonly number[] = PERIODS[window];
  const cycle = lengths.reduce((sum, length) => sum + length, 0);
  let start = Math.floor(at / cycle) * cycle;
  for (const length of lengths) {
    if (at < start + length) return { start, end: start + length };
    start += length;
  }
  throw new Error("a cycle without an end");
}

export interface ModelLimit {
  readonly meter: string | null;
  readonly window: ModelWindow;
  /** Null: soft. */
  readonly hard: Amount | null;
}

/** What is asked for of each meter; none: a request only. */
export type Asked = ReadonlyMap<string, Amount>;

interface Reserved {
  readonly content: string;
  /** What is open of each meter, and what was settled or given back of it. */
  readonly open: Map<string, Amount>;
  readonly ended: Set<string>;
  readonly admittedAt: number;
  readonly expiresAt: number;
}

/** A request only is open until it is released. */
const isOpen = ({ open, ended }: Reserved): boolean => open.size > 0 || ended.size === 0;

interface Used {
  readonly meter: string;
  readonly amount: Amount;
  /** Its own time. */
  readonly at: number;
  /** When it counts in short windows. */
  readonly shortAt: number;
}

export function createModel(limits: readonly ModelLimit[]) {
  let reserved = new Map<string, Reserved>();
  let requests: { readonly at: number; readonly key: string }[] = [];
  const used: Used[] = [];
  let lost: LostBound[] = [];
  let blockedUntil = 0;

  function lostIn({ meter, window }: ModelLimit, t: number): Amount {
    if (window === "MINUTE") return 0n;
    const counts = ({ id, until }: LostBound) => {
      if (until <= t) return false;
      if (meter !== null) return id === `m|${meter}`;
      return isPeriod(window) ? id === `r|${window}|${periodOf(window, t).start}` : id.startsWith(`r|${window}|`);
    };
    return lost.filter(counts).reduce((sum, { bound }) => sum + bound, 0n);
  }

  function usedIn({ meter, window }: ModelLimit, t: number): Amount {
    const inside = (at: number) =>
      isPeriod(window) ? periodOf(window, at).start === periodOf(window, t).start : at + WINDOW_LENGTH[window] > t;
    if (meter === null) return BigInt(requests.filter(({ at }) => inside(at)).length) * UNIT;
    return used
      .filter((one) => one.meter === meter && inside(window === "MINUTE" ? one.shortAt : one.at))
      .reduce((sum, { amount }) => sum + amount, 0n);
  }

  function reservedIn({ meter, window }: ModelLimit, t: number): Amount {
    if (meter === null) return 0n;
    return [...reserved.values()]
      .filter((one) => one.expiresAt > t)
      .filter((one) => window !== "MINUTE" || one.admittedAt + WINDOW_LENGTH.MINUTE > t)
      .reduce((sum, { open }) => sum + (open.get(meter) ?? 0n), 0n);
  }

  const concerned = (asked: Asked) => limits.filter(({ meter }) => meter === null || asked.has(meter));
  const chargeOf = ({ meter }: ModelLimit, asked: Asked): Amount => (meter === null ? UNIT : (asked.get(meter) ?? 0n));
  const isBlocked = ({ window }: ModelLimit, t: number) => window === "MINUTE" && blockedUntil > t;

  function fits(asked: Asked, t: number, withLosses: boolean): boolean {
    return concerned(asked).every((limit) => {
      if (limit.hard === null) return true;
      if (withLosses && isBlocked(limit, t)) return false;
      const taken = usedIn(limit, t) + reservedIn(limit, t) + (withLosses ? lostIn(limit, t) : 0n);
      return taken + chargeOf(limit, asked) <= limit.hard;
    });
  }

  /** Every moment at which anything that counts now may count no longer. */
  function moments(now: number): number[] {
    const ends = (["BILLING_PERIOD", "CALENDAR_DAY"] as const).map((window) => periodOf(window, now).end);
    const all = [now, blockedUntil, ...ends, ...lost.map(({ until }) => until)];
    for (const { expiresAt } of reserved.values()) all.push(expiresAt);
    for (const length of [WINDOW_LENGTH.MINUTE, WINDOW_LENGTH.HOUR, WINDOW_LENGTH.DAY]) {
      for (const { at } of requests) all.push(at + length);
      for (const { at, shortAt } of used) all.push(at + length, shortAt + length);
      for (const { admittedAt } of reserved.values()) all.push(admittedAt + length);
    }
    return all.filter((at) => at >= now).sort((a, b) => a - b);
  }

  return {
    limits,
    concerned,
    charge(limit: ModelLimit, asked: Asked, now: number): CounterCharge {
      const { meter, window, hard } = limit;
      return {
        counter: `${meter ?? ""}|${window}`,
        meter,
        window: isPeriod(window)
          ? { kind: "period", ...periodOf(window, now) }
          : { kind: window === "MINUTE" ? "admission" : "sliding", windowMs: WINDOW_LENGTH[window] },
        amount: chargeOf(limit, asked),
        hardLimit: hard,
        laterLimits: [],
        bounded: hard !== null && window !== "MINUTE",
      };
    },
    expire(now: number): void {
      for (const [key, { expiresAt }] of reserved) if (expiresAt <= now) reserved.delete(key);
      lost = lost.filter(({ until }) => until > now);
    },
    held: (key: string) => reserved.get(key),
    fits: (asked: Asked, now: number) => fits(asked, now, true),
    fitsButForLoss: (asked: Asked, now: number) => fits(asked, now, false),
    /** The first moment at which the request fits if nothing else comes; null: none. */
    firstFit: (asked: Asked, now: number): number | null => moments(now).find((at) => fits(asked, at, true)) ?? null,
    readings: (asked: Asked, now: number) =>
      concerned(asked).map((limit) => {
        const hidden = lostIn(limit, now);
        const [ofUsed, ofReserved] = limit.meter === null ? [hidden, 0n] : [0n, hidden];
        return { used: usedIn(limit, now) + ofUsed, reserved: reservedIn(limit, now) + ofReserved, lost: hidden };
      }),
    admit(key: string, content: string, asked: Asked, now: number, expiresAt: number): void {
      const open = new Map([...asked].filter(([meter]) => limits.some((limit) => limit.meter === meter)));
      reserved.set(key, { content, open, ended: new Set(), admittedAt: now, expiresAt });
      if (limits.some((limit) => limit.meter === null)) requests.push({ at: now, key });
    },
    release(key: string): boolean {
      const found = reserved.get(key);
      if (found === undefined || !isOpen(found)) return false;
      if (found.ended.size > 0) {
        for (const meter of found.open.keys()) found.ended.add(meter);
        found.open.clear();
        return true;
      }
      reserved.delete(key);
      const index = requests.findLastIndex((one) => one.key === key);
      if (index >= 0) requests.splice(index, 1);
      return true;
    },
    /** Recorded usage; it settles what the key has reserved of its meters. */
    record(key: string | undefined, amounts: Asked, at: number): void {
      const found = key === undefined ? undefined : reserved.get(key);
      for (const [meter, amount] of amounts) {
        const settles = found?.open.delete(meter) === true;
        if (settles) found.ended.add(meter);
        used.push({ meter, amount, at, shortAt: settles ? found.admittedAt : at });
      }
    },
    /** What was used in the window of a limit that begins at `start`. */
    total: ({ meter, window }: ModelLimit, start: number): Amount =>
      used
        .filter((one) => one.meter === meter && isPeriod(window) && periodOf(window, one.at).start === start)
        .reduce((sum, { amount }) => sum + amount, 0n),
    usage: () => used,
    /** Start of the window of a limit at a moment; undefined: it slides. */
    startOf: ({ window }: ModelLimit, at: number) => (isPeriod(window) ? periodOf(window, at).start : undefined),
    /** What is open of a meter, and when the last of it ends. */
    open(meter: string): { readonly amount: Amount; readonly until: number } {
      const all = [...reserved.values()].filter(({ open }) => open.has(meter));
      return {
        amount: all.reduce((sum, { open }) => sum + (open.get(meter) ?? 0n), 0n),
        until: Math.max(0, ...all.map(({ expiresAt }) => expiresAt)),
      };
    },
    /** Counters and their keys are lost; the rows say what may have been admitted under them. */
    lose(rows: readonly LostBound[], now: number): void {
      reserved = new Map();
      requests = [];
      lost = rows.filter(({ until, bound }) => until > now && bound > 0n);
      blockedUntil = now + WINDOW_LENGTH.MINUTE;
    },
    blockedUntil: () => blockedUntil,
  };
}
