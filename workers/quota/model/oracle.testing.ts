import { type Exact, ONE, type Range, smaller, textOf } from "./amounts.testing.js";
import {
  type Asked,
  askedOf,
  isPeriod,
  isShort,
  LENGTH,
  type Limit,
  type LimitAt,
  type Limits,
  type Window,
} from "./limits.testing.js";
import { highestCost, isPriced, linesOf, type Money } from "./money.testing.js";

/**
 * What quota must answer for one tenant, from lists of everything that was admitted and recorded: no counters, no sums that are
 * kept, no buckets. Where counters are built from stored totals, usage may count up to 1 % too long: such answers are ranges.
 */
export interface Reservation {
  readonly key: string;
  readonly content: string;
  /** Of meters with limits. */
  readonly parts: readonly ReservedPart[];
  readonly admittedAt: number;
  readonly expiresAt: number;
  readonly request: Request;
}

interface ReservedPart {
  readonly meter: string;
  readonly amount: Exact;
  /** Whether a hard limit of an hour or longer admitted it: then it must survive a loss. */
  readonly isSafe: boolean;
  /** Neither settled nor given back. */
  open: boolean;
}

/** A request of no limited meter is open until it is released. */
const isOpen = ({ parts, request }: Reservation): boolean =>
  parts.length === 0 ? !request.released : parts.some(({ open }) => open);

/** What is open of a meter. */
const openIn = ({ parts }: Reservation, meter: string): Exact =>
  parts.find((part) => part.open && part.meter === meter)?.amount ?? 0n;

interface Request {
  readonly at: number;
  /** The windows that requests were limited in. */
  readonly windows: readonly Window[];
  readonly safeWindows: readonly Window[];
  released: boolean;
}

interface Usage {
  readonly meter: string;
  readonly amount: Exact;
  readonly time: number;
  readonly arrivedAt: number;
  /** Voids and backfills count in periods only. */
  readonly isCorrection: boolean;
  /** Of a backfill: whether it counts in this window. */
  readonly countsIn?: (window: Window) => boolean;
  /** Of the reservation that it settled. */
  readonly admittedAt: number | undefined;
  /** The short windows that its meter was limited in at its own time: sums of these are stored. */
  readonly stored: readonly Window[];
  /** When counters that know it from stored sums may have been built last. */
  builtAt: number | undefined;
}

/** A stored bound of counters that were lost. */
export interface LostRow {
  readonly id: string;
  readonly least: Exact;
  readonly most: Exact;
  readonly until: number;
}

type Side = keyof Range;

export interface Expected {
  readonly limit: LimitAt;
  readonly used: Range;
  readonly reserved: Range;
  readonly blocked: boolean;
}

export interface OracleOptions {
  readonly limits: Limits;
  readonly start: number;
  /** Whether a loss denies in short windows for their length: where the tenant's time passes by itself. */
  readonly blocksShort: boolean;
}

export function createOracle({ limits, start, blocksShort }: OracleOptions) {
  let now = start;
  let held = new Map<string, Reservation>();
  let requests: Request[] = [];
  let usage: Usage[] = [];
  let lost: readonly LostRow[] = [];
  let blockedFrom: number | undefined;
  /** Everything ever admitted, also what a loss made the counters forget. */
  const admitted: Reservation[] = [];

  const sum = (amounts: readonly Exact[]): Exact => amounts.reduce((total, amount) => total + amount, 0n);
  const isBlocked = ({ window }: Limit, t: number): boolean =>
    blockedFrom !== undefined && isShort(window) && blockedFrom + LENGTH[window] > t;

  /** Until when an amount counts in a window for certain, and possibly. */
  function spanOf(one: Usage, window: Window): { readonly certain: number; readonly possible: number } {
    if (isPeriod(window)) {
      const { end } = limits.span(window, one.time);
      return { certain: end, possible: end };
    }
    if (one.isCorrection) return { certain: 0, possible: 0 };
    const length = LENGTH[window];
    const from = Math.min(one.time, one.arrivedAt);
    if (isShort(window)) return shortSpan(one, window, one.admittedAt ?? from);
    const late = one.builtAt !== undefined ? Math.max(one.time, from) + length / 100 : from;
    return { certain: from + length, possible: late + length };
  }

  /** Counters that were built count a stored sum from the end of its second or minute, or from when they were built. */
  function shortSpan(
    { time, arrivedAt, stored, builtAt }: Usage,
    window: "SECOND" | "MINUTE",
    at: number,
  ): { readonly certain: number; readonly possible: number } {
    const length = LENGTH[window];
    if (builtAt === undefined) return { certain: at + length, possible: at + length };
    const bucket = Math.floor(time / length) * length;
    if (!stored.includes(window) || bucket + 2 * length < arrivedAt) return { certain: 0, possible: at + length };
    const countedFrom = (built: number) => Math.max(bucket, Math.min(bucket + length - 1, built));
    return {
      certain: Math.min(at, countedFrom(arrivedAt)) + length,
      possible: Math.max(at, countedFrom(builtAt)) + length,
    };
  }

  function usedBy(one: Usage, window: Window, t: number, side: Side): Exact {
    const { certain, possible } = spanOf(one, window);
    if (isPeriod(window) && limits.span(window, one.time).start !== limits.span(window, t).start) return 0n;
    if (one.countsIn?.(window) === false) return 0n;
    if (certain > t) return one.amount;
    if (possible <= t) return 0n;
    return one.amount > 0n === (side === "most") ? one.amount : 0n;
  }

  const inWindow = (at: number, window: Window, t: number): boolean =>
    isPeriod(window) ? limits.span(window, at).start === limits.span(window, t).start : at + LENGTH[window] > t;

  function usedIn({ meter, window }: Limit, t: number, side: Side, follows = false): Exact {
    if (meter !== null) {
      const counting = usage.filter((one) => one.meter === meter && !(follows && isShort(window)));
      const built = (one: Usage) => (follows ? { ...one, builtAt: one.builtAt ?? now } : one);
      return sum(counting.map((one) => usedBy(built(one), window, t, side)));
    }
    const counting = requests.filter((one) => one.windows.includes(window) && inWindow(one.at, window, t));
    return BigInt(counting.length) * ONE;
  }

  function reservedIn({ meter, window }: Limit, t: number): Exact {
    if (meter === null) return 0n;
    const open = [...held.values()].filter((one) => one.expiresAt > t);
    const counting = isShort(window) ? open.filter((one) => one.admittedAt + LENGTH[window] > t) : open;
    return sum(counting.map((one) => openIn(one, meter)));
  }

  function lostIn({ meter, window }: Limit, t: number, side: Side): Exact {
    if (isShort(window)) return 0n;
    const counting = lost.filter(({ id, until }) => {
      if (until <= t) return false;
      if (meter !== null) return id === `m|${meter}`;
      const [kind, name, bucket] = id.split("|");
      return kind === "r" && name === window && (!isPeriod(window) || Number(bucket) === limits.span(window, t).start);
    });
    return sum(counting.map((row) => row[side]));
  }

  /** `follows`: the limit has begun when its counter is asked for. */
  const takenIn = (limit: Limit, t: number, side: Side, withLoss: boolean, follows = false): Exact =>
    usedIn(limit, t, side, follows) + reservedIn(limit, t) + (withLoss ? lostIn(limit, t, side) : 0n);

  /** What usage costs, and at most with what is reserved, hidden by a loss, and asked for. */
  function costIn(t: number, side: Side, withLoss: boolean, asked: Asked = NOTHING): Exact {
    const money = limits.moneyAt(t);
    if (money === undefined) return 0n;
    return sum(
      linesOf(money).map((line) => {
        const ofMeter = periodOf(line.meter);
        const from = line.isUsed ? usedIn(ofMeter, t, side) : 0n;
        const open = line.isUsed ? reservedIn(ofMeter, t) : 0n;
        const own = line.isUsed ? (asked.get(line.meter) ?? 0n) : 0n;
        return highestCost(line, from, from + open + own + (withLoss ? lostIn(ofMeter, t, side) : 0n));
      }),
    );
  }

  const periodOf = (meter: string): Limit => ({
    ...{ meter, window: "BILLING_PERIOD", hard: true, by: false, limit: 0n },
    ...{ warnAt: [], warnAtAmounts: [], warnEvery: undefined },
  });

  function moneyFits(asked: Asked, t: number, side: Side, withLoss: boolean): boolean {
    const money = limits.moneyAt(t);
    return money === undefined || !money.hard || costIn(t, side, withLoss, asked) <= money.limit;
  }

  function fits(asked: Asked, t: number, side: Side, withLoss = true): boolean {
    if (!moneyFits(asked, t, side, withLoss)) return false;
    return limits.concerning(asked, t).every((limit) => {
      if (!limit.hard) return true;
      const follows = isToFollow(limit);
      // Counters that begin right after a loss deny for a window, which nobody can tell before.
      if (withLoss && isBlocked(limit, t) && !(follows && side === "least")) return false;
      return takenIn(limit, t, side, withLoss, follows) + chargeOf(limit, asked) <= limit.limit;
    });
  }

  const isToFollow = ({ meter, window }: Limit): boolean =>
    !limits.at(now).some((one) => one.meter === meter && one.window === window);

  /** Every moment at which something may count no longer, or limits change. */
  function moments(): readonly number[] {
    const all = [now, ...limits.changes(now), ...lost.map(({ until }) => until)];
    for (const { expiresAt, admittedAt } of held.values()) {
      all.push(expiresAt, admittedAt + LENGTH.SECOND, admittedAt + LENGTH.MINUTE);
    }
    for (const window of ["SECOND", "MINUTE", "HOUR", "DAY"] as const) {
      for (const { at } of requests) all.push(at + LENGTH[window]);
      for (const one of usage) {
        const { certain, possible } = spanOf(one, window);
        all.push(certain, possible);
        if (!isShort(window)) all.push(possible + LENGTH[window] / 100);
      }
      if (blockedFrom !== undefined) all.push(blockedFrom + LENGTH[window]);
    }
    return [...new Set(all.map(Math.ceil))].filter((at) => at >= now).sort((a, b) => a - b);
  }

  const isLasting = ({ hard, window }: Limit): boolean => hard && !isShort(window);

  function partsOf(asked: Asked): ReservedPart[] {
    const money = limits.moneyAt(now);
    return [...asked].flatMap(([meter, amount]) => {
      const own = limits.at(now).filter((limit) => limit.meter === meter);
      const isInMoney = money !== undefined && isPriced(meter);
      if (own.length === 0 && !isInMoney) return [];
      const isSafe = own.some(isLasting) || (isInMoney && money.hard);
      return [{ meter, amount, isSafe, open: true }];
    });
  }

  function expire(): void {
    for (const [key, { expiresAt }] of held) if (expiresAt <= now) held.delete(key);
    lost = lost.filter(({ until }) => until > now);
  }

  function overspentMoney(): readonly string[] {
    const money = limits.moneyAt(now);
    if (money?.hard !== true) return [];
    const taken = sum(
      linesOf(money).map((line) => {
        if (!line.isUsed) return highestCost(line, 0n, 0n);
        const used = usedIn(periodOf(line.meter), now, "least");
        return highestCost(line, used, used + openForCertain(line.meter));
      }),
    );
    return taken > money.limit ? [`money: ${textOf(taken)} of ${textOf(money.limit)}`] : [];
  }

  /** What is open of everything ever admitted, but for what a loss may have made forgotten. */
  function openForCertain(meter: string): Exact {
    const open = admitted.filter(({ expiresAt }) => expiresAt > now);
    const certain = open.flatMap(({ key, parts }) =>
      parts.filter((part) => part.open && part.meter === meter && (part.isSafe || held.has(key))),
    );
    return sum(certain.map(({ amount }) => amount));
  }

  function overspentLimits(of: Asked): readonly string[] {
    return limits
      .concerning(of, now)
      .filter((limit) => limit.hard && !isShort(limit.window))
      .flatMap((limit) => {
        const asked = admitted.filter(
          ({ request }) =>
            !request.released && request.safeWindows.includes(limit.window) && inWindow(request.at, limit.window, now),
        );
        const taken =
          limit.meter === null ? BigInt(asked.length) * ONE : usedIn(limit, now, "least") + openForCertain(limit.meter);
        const name = `${limit.meter ?? "requests"} per ${limit.window}`;
        return taken > limit.limit ? [`${name}: ${textOf(taken)} of ${textOf(limit.limit)}`] : [];
      });
  }

  return {
    limits,
    now: () => now,
    blocksShort,
    pass(to: number): void {
      const before = limits.planAt(now);
      now = Math.max(now, to);
      expire();
      if (limits.planAt(now) !== before) this.blur();
      // What left the longest window and its period cannot matter again.
      const oldest = limits.period(limits.period(now).start - 1).start;
      usage = usage.filter(({ time }) => time > Math.min(oldest, limits.since(now)) - LENGTH.DAY);
    },
    /** Counters were built anew or brought up to date from stored totals. */
    blur(): void {
      for (const one of usage) one.builtAt = now;
    },
    /** When something may change, ascending. */
    changes: moments,
    /** What is remembered, each meter of a key by itself. */
    places: (): number => [...held.values()].reduce((count, { parts }) => count + Math.max(1, parts.length), 0),
    isOpen(key: string): boolean {
      const found = held.get(key);
      return found !== undefined && isOpen(found);
    },
    held: (key: string) => held.get(key),
    open: (meter: string): Exact => sum([...held.values()].map((one) => openIn(one, meter))),
    /** What must survive a loss of a meter's open reservations, and when the last of it ends. */
    openOf(meter: string): { readonly amount: Exact; readonly until: number } {
      const isSafe = ({ parts }: Reservation) => parts.some((part) => part.open && part.isSafe && part.meter === meter);
      const open = [...held.values()].filter(isSafe);
      return {
        amount: sum(open.map((one) => openIn(one, meter))),
        until: Math.max(0, ...open.map(({ expiresAt }) => expiresAt)),
      };
    },
    /** What the requests of a stored bucket were. */
    requestsIn: (window: Window, from: number, until: number): number =>
      requests.filter((one) => one.windows.includes(window) && one.at >= from && one.at < until).length,
    fits,
    /** Whether it must be allowed, must be denied, or either. */
    verdict(asked: Asked): "allowed" | "denied" | "either" {
      if (fits(asked, now, "most")) return "allowed";
      return fits(asked, now, "least") ? "either" : "denied";
    },
    /** The first moment at which the request fits if nothing else comes; null: none. */
    firstFit: (asked: Asked, side: Side): number | null => moments().find((at) => fits(asked, at, side)) ?? null,
    expected(limit: LimitAt): Expected {
      const [hidden, used, reserved] = [lostIn, usedIn, reservedIn].map((part) => ({
        least: part(limit, now, "least"),
        most: part(limit, now, "most"),
      })) as [Range, Range, Range];
      const plus = (a: Range, b: Range): Range => ({ least: a.least + b.least, most: a.most + b.most });
      const ofRequests = limit.meter === null;
      return {
        limit,
        used: ofRequests ? plus(used, hidden) : used,
        reserved: ofRequests ? reserved : plus(reserved, hidden),
        blocked: isBlocked(limit, now),
      };
    },
    /** What usage costs, and what it may come to; undefined: nothing limits it. */
    expectedMoney() {
      const money = limits.moneyAt(now);
      if (money === undefined) return undefined;
      const used = sum(
        linesOf(money).map((line) => {
          const quantity = line.isUsed ? usedIn(periodOf(line.meter), now, "most") : 0n;
          return highestCost(line, quantity, quantity);
        }),
      );
      const reserved = { least: costIn(now, "least", true) - used, most: costIn(now, "most", true) - used };
      return { money, used, reserved, end: limits.period(now).end };
    },
    /** Of the limit in money: what is taken, without what a loss may have hidden, and with a request. */
    cost: (side: Side, asked?: Asked) => costIn(now, side, false, asked),
    moneyDenies: (asked: Asked, side: Side) => !moneyFits(asked, now, side, true),
    /** What the request would cost if nothing were used. */
    costAlone: (asked: Asked): Exact =>
      sum(
        linesOf(limits.moneyAt(now) ?? NO_MONEY).map((line) =>
          highestCost(line, 0n, line.isUsed ? (asked.get(line.meter) ?? 0n) : 0n),
        ),
      ),
    /** When all that counts now no longer counts, if nothing else comes: the earliest and the latest time it may be. */
    resetAt(limit: LimitAt): { readonly least: number; readonly most: number } {
      const { meter, window } = limit;
      if (isPeriod(window)) {
        const { end } = limits.span(window, now);
        return { least: end, most: end };
      }
      const isOwn = (id: string) => (meter === null ? id.startsWith(`r|${window}|`) : id === `m|${meter}`);
      const ends = lost.filter(({ id }) => !isShort(window) && isOwn(id));
      // A row that may still be lowered then ends earlier, too.
      const certain = [now, ...ends.filter(({ least, most }) => least === most).map(({ until }) => until)];
      if (isBlocked(limit, now) && blockedFrom !== undefined) certain.push(blockedFrom + LENGTH[window]);
      const possible = [...certain, ...ends.map(({ until }) => until)];
      const parts: Part[] = [];
      for (const one of meter === null ? [] : usage.filter((entry) => entry.meter === meter)) {
        const span = spanOf(one, window);
        parts.push({ from: span.certain, to: Math.ceil(span.possible), amount: one.amount });
      }
      for (const one of meter === null ? [] : held.values()) {
        if (meter === null || !one.parts.some((part) => part.open && part.meter === meter)) continue;
        if (!isShort(window)) certain.push(one.expiresAt);
        else {
          const at = one.admittedAt + LENGTH[window];
          parts.push({ from: at, to: at, amount: openIn(one, meter) });
        }
        possible.push(isShort(window) ? one.admittedAt + LENGTH[window] : one.expiresAt);
      }
      for (const one of meter === null ? requests : []) {
        if (one.windows.includes(window)) certain.push(one.at + LENGTH[window]);
      }
      certain.push(...certainEnds(parts));
      possible.push(...parts.map(({ to }) => to));
      const least = Math.max(...certain);
      return { least, most: Math.max(least, ...possible) };
    },
    /** What is left of the tightest hard limit. */
    rest(meter: string | null): Exact | undefined {
      const hard = limits.concerning(askedOf(meter, ONE), now).filter((limit) => limit.hard && limit.meter !== null);
      const left = hard.map((limit) => limit.limit - takenIn(limit, now, "most", true));
      return left.length === 0 ? undefined : left.reduce(smaller);
    },
    taken: (limit: Limit, side: Side) => takenIn(limit, now, side, false),
    used: (limit: Limit, side: Side) => usedIn(limit, now, side),
    anyBlocked: (asked: Asked): boolean => limits.concerning(asked, now).some((limit) => isBlocked(limit, now)),
    fitsButForLoss: (asked: Asked, side: Side) => fits(asked, now, side, false),
    /** How many places its reservation would take. */
    placesOf: (asked: Asked): number => Math.max(1, partsOf(asked).length),

    admit(key: string, content: string, asked: Asked, ttlMs: number): Reservation {
      const ofRequests = limits.concerning(asked, now).filter((limit) => limit.meter === null);
      const request: Request = {
        at: now,
        windows: ofRequests.map(({ window }) => window),
        safeWindows: ofRequests.filter(isLasting).map(({ window }) => window),
        released: false,
      };
      const reservation: Reservation = {
        ...{ key, content, request, parts: partsOf(asked) },
        admittedAt: now,
        expiresAt: now + ttlMs,
      };
      held.set(key, reservation);
      requests.push(request);
      admitted.push(reservation);
      return reservation;
    },
    /** The hard limits of an hour or longer that everything admitted and recorded exceeds now; none, or promise 4 is broken. */
    overspent(of: Asked): readonly string[] {
      return [...overspentMoney(), ...overspentLimits(of)];
    },
    release(key: string): boolean {
      const found = held.get(key);
      if (found === undefined || !isOpen(found)) return false;
      const isPartlySettled = found.parts.some(({ open }) => !open);
      for (const part of found.parts) part.open = false;
      // What is settled of a key was used: the key stays, and its request.
      if (isPartlySettled) return true;
      found.request.released = true;
      held.delete(key);
      requests = requests.filter((one) => one !== found.request);
      return true;
    },
    /** Recorded usage of one event by meter; it settles what its key has reserved of these. */
    record(key: string | undefined, amounts: ReadonlyMap<string, Exact>, time: number): void {
      const limited = limits.countedMeters(now);
      const thenLimited = limits.at(time);
      const isSettled = ({ meter, open }: ReservedPart): boolean => open && amounts.has(meter) && limited.has(meter);
      const found = key === undefined ? undefined : held.get(key);
      const settled = found?.parts.filter(isSettled) ?? [];
      for (const part of settled) part.open = false;
      for (const one of admitted) {
        if (one.key === key && !held.has(one.key)) for (const part of one.parts.filter(isSettled)) part.open = false;
      }
      for (const [meter, amount] of amounts) {
        const admittedAt = settled.some((part) => part.meter === meter) ? found?.admittedAt : undefined;
        const stored = thenLimited.filter((limit) => limit.meter === meter).map(({ window }) => window);
        const arrived = { arrivedAt: now, isCorrection: false, builtAt: undefined };
        usage.push({ meter, amount, time, admittedAt, stored, ...arrived });
      }
    },
    /** A void or a backfill. */
    correct(meter: string, amount: Exact, time: number, countsIn?: (window: Window) => boolean): void {
      usage.push({
        ...{ meter, amount, time, arrivedAt: now, ...(countsIn && { countsIn }) },
        isCorrection: true,
        admittedAt: undefined,
        stored: [],
        builtAt: undefined,
      });
    },
    /** The counters and their keys are gone; stored bounds stand for what they admitted. */
    lose(): void {
      held = new Map();
      requests = [];
      if (blocksShort) blockedFrom = now;
    },
    lostRows(rows: readonly LostRow[]): void {
      lost = rows.filter(({ until }) => until > now);
    },
    lost: () => lost,
    total: (meter: string, at: number): Exact =>
      sum(usage.filter((one) => one.meter === meter).map((one) => usedBy(one, "BILLING_PERIOD", at, "most"))),
    describe: () => ({
      now: new Date(now).toISOString(),
      money: text(limits.moneyAt(now)),
      limits: limits
        .at(now)
        .map((one) => `${one.meter ?? "requests"} ${one.window} ${one.hard ? "HARD" : "SOFT"} ${textOf(one.limit)}`),
      held: [...held.values()].map(
        (one) =>
          `${one.key} ${one.content} ${isOpen(one) ? "open" : "settled"} ${new Date(one.admittedAt).toISOString()} until ${new Date(one.expiresAt).toISOString()}`,
      ),
      usage: usage.map(
        (one) =>
          `${one.meter} ${textOf(one.amount)} at ${new Date(one.time).toISOString()} arrived ${new Date(one.arrivedAt).toISOString()}${one.isCorrection ? " correction" : ""}${one.builtAt === undefined ? "" : " from sums"}`,
      ),
      requests: requests.map(({ at }) => new Date(at).toISOString()),
      lost: lost.map(
        ({ id, least, most, until }) =>
          `${id} ${textOf(least)}..${textOf(most)} until ${new Date(until).toISOString()}`,
      ),
    }),
  };
}

const text = (money: Money | undefined): string =>
  money === undefined
    ? "none"
    : `${money.hard ? "HARD" : "SOFT"} ${textOf(money.limit)} units ${money.units} calls ${money.calls} rest ${money.rest}`;

/** What a request counts as under a limit. */
export const chargeOf = ({ meter }: Pick<Limit, "meter">, asked: Asked): Exact =>
  meter === null ? ONE : (asked.get(meter) ?? 0n);

const NOTHING: Asked = new Map();
const NO_MONEY: Money = { limit: 0n, hard: false, units: 0, calls: 0, rest: undefined, warnAt: [] };

/** An amount that stops counting at a moment between two. */
interface Part {
  readonly from: number;
  readonly to: number;
  readonly amount: Exact;
}

/** The earliest moments at which amounts stop counting that nothing of the other sign may have cancelled. */
function certainEnds(parts: readonly Part[]): readonly number[] {
  const sums = new Map<string, Part>();
  for (const { from, to, amount } of parts) {
    const id = from === to ? String(from) : `${from} ${to} ${amount > 0n}`;
    sums.set(id, { from, to, amount: (sums.get(id)?.amount ?? 0n) + amount });
  }
  const summed = [...sums.values()].filter(({ amount }) => amount !== 0n);
  const cancels = (one: Part, other: Part): boolean =>
    one.amount > 0n !== other.amount > 0n && one.from <= other.to && other.from <= one.to;
  return summed.filter((one) => !summed.some((other) => cancels(one, other))).map(({ from }) => from);
}

export type Oracle = ReturnType<typeof createOracle>;
