import { type Exact, exactOf, ONE, textOf } from "./amounts.testing.js";
import type { Span } from "./calendar.testing.js";
import {
  asLimit,
  isPeriod,
  LENGTH,
  type LimitAt,
  type Limits,
  MONEY,
  type MoneyAt,
  WINDOWS,
  type Window,
} from "./limits.testing.js";
import { highestCost, isPriced, linesOf } from "./money.testing.js";

interface SeenAlert {
  readonly id: string;
  readonly type: string;
  readonly data: {
    readonly meter: string | null;
    readonly unit?: string;
    readonly window: string;
    readonly windowStart: string;
    readonly threshold: string;
    readonly thresholdKind?: string;
    readonly limit: string;
  };
}

const EXCEEDED = "1";

/**
 * The alerts that a tenant must and may get. They are judged in aligned windows of usage's own time, entry by entry; a denial
 * raises one only where nothing is left of the window.
 */
export function createAlertBook(limits: Limits) {
  const totals = new Map<string, Exact>();
  const due = new Set<string>();
  /** Each with the plans and overrides that it may come from: each of them raises it once. */
  const justified = new Map<string, Set<string>>();
  /** Windows in which usage rises beyond a limit: one exceeded alert or more tells it. */
  const exhausted = new Set<string>();

  function spanOf(window: Window, at: number): Span {
    if (isPeriod(window)) return limits.span(window, at);
    const start = Math.floor(at / LENGTH[window]) * LENGTH[window];
    return { start, end: start + LENGTH[window] };
  }

  const windowName = ({ meter, window }: Pick<LimitAt, "meter" | "window">, start: number): string =>
    `${meter ?? "requests"} ${window} ${new Date(start).toISOString()}`;

  function justify(limit: LimitAt, start: number, threshold: string): string {
    const name = `${windowName(limit, start)} ${threshold} of ${textOf(limit.limit)}`;
    justified.set(name, (justified.get(name) ?? new Set()).add(limit.source));
    return name;
  }

  function shares({ limit, warnAt }: LimitAt): readonly (readonly [string, Exact])[] {
    const warnings = warnAt
      .filter((one) => one !== EXCEEDED)
      .map((one) => [one, (exactOf(one) * limit) / ONE] as const);
    return [...warnings, [EXCEEDED, limit]];
  }

  /**
   * The amounts that are passed; of the multiples the highest, of a thousand at most that reach the limit. The limit itself is
   * told as exceeded.
   */
  function passed({ limit, warnAtAmounts, warnEvery }: LimitAt, before: Exact, after: Exact): readonly string[] {
    const found = warnAtAmounts.filter((one) => before < one && after >= one);
    let highest: Exact | undefined;
    let step = limit > 0n ? (warnEvery ?? 0n) : 0n;
    if (step > 0n && step * 1000n < limit) step *= (limit + step * 1000n - 1n) / (step * 1000n);
    for (let n = 1n; step > 0n && n <= 1000n && n * step <= after; n += 1n) if (n * step > before) highest = n * step;
    if (highest !== undefined) found.push(highest);
    return found.filter((one) => one !== limit).map((one) => `amount ${textOf(one)}`);
  }

  /** Nothing is told of what usage costs before there is any. */
  function costOf(money: MoneyAt, start: number): Exact {
    const total = (meter: string) => totals.get(windowName({ meter, window: "BILLING_PERIOD" }, start)) ?? 0n;
    const lines = linesOf(money).map((line) => ({ line, quantity: line.isUsed ? total(line.meter) : 0n }));
    if (lines.every(({ quantity }) => quantity === 0n)) return 0n;
    return lines.reduce((sum, { line, quantity }) => sum + highestCost(line, quantity, quantity), 0n);
  }

  function judge(limit: LimitAt, start: number, before: Exact, after: Exact): void {
    if (limit.limit === 0n) {
      if (before <= 0n && after > 0n) due.add(justify(limit, start, EXCEEDED));
    } else {
      for (const [name, at] of shares(limit)) {
        if (before < at && after >= at) due.add(justify(limit, start, name));
      }
    }
    for (const name of passed(limit, before, after)) due.add(justify(limit, start, name));
    const wasReached = before >= limit.limit && !(limit.limit === 0n && before <= 0n);
    if (wasReached && after > before) {
      justify(limit, start, EXCEEDED);
      exhausted.add(windowName(limit, start));
    }
  }

  return {
    /** Usage of a meter, in the order of the ledger; a correction counts in windows with a start and an end only. */
    used(
      meter: string,
      amount: Exact,
      time: number,
      arrivedAt: number,
      isCorrection: boolean,
      countsIn: (window: Window) => boolean = () => true,
    ): void {
      for (const window of WINDOWS) {
        if ((isCorrection && !isPeriod(window)) || !countsIn(window)) continue;
        const { start, end } = spanOf(window, time);
        const isJudged = arrivedAt <= end + (end - start);
        if (!isPeriod(window) && !isJudged) continue;
        const name = windowName({ meter, window }, start);
        const before = totals.get(name) ?? 0n;
        const money = window === "BILLING_PERIOD" && isPriced(meter) ? limits.moneyAt(time) : undefined;
        const costBefore = money && costOf(money, start);
        totals.set(name, before + amount);
        if (money !== undefined && costBefore !== undefined && isJudged)
          judge(asLimit(money), start, costBefore, costOf(money, start));
        if (!isJudged) continue;
        for (const limit of limits.at(time)) {
          if (limit.meter === meter && limit.window === window) judge(limit, start, before, before + amount);
        }
      }
    },
    /** A denial in a window of which nothing is left. */
    denied(limit: LimitAt, now: number, isDue: boolean): void {
      const name = justify(limit, spanOf(limit.window, now).start, EXCEEDED);
      if (isDue) due.add(name);
    },
    /** What a process that was killed had not stored yet it may not raise any more. */
    excuse(names: readonly string[]): void {
      for (const name of names) due.delete(name);
    },
    dueFromDenials: (seen: readonly SeenAlert[]): readonly string[] => {
      const told = new Set(seen.map(nameOf));
      return [...due].filter((name) => !told.has(name));
    },
    missing(seen: readonly SeenAlert[]): readonly string[] {
      const told = new Set(seen.map(nameOf));
      const windows = new Set(seen.filter(isExceeded).map(({ data }) => windowOf(data)));
      return [
        ...[...due].filter((name) => !told.has(name)),
        ...[...exhausted].filter((name) => !windows.has(name)).map((name) => `${name} exceeded`),
      ];
    },
    unjustified(seen: readonly SeenAlert[]): readonly string[] {
      const byName = new Map<string, Set<string>>();
      for (const alert of seen) byName.set(nameOf(alert), (byName.get(nameOf(alert)) ?? new Set()).add(alert.id));
      return [...byName].flatMap(([name, ids]) => {
        const sources = justified.get(name)?.size ?? 0;
        if (ids.size <= sources) return [];
        return [`${name}: ${ids.size} alerts for ${sources} reasons (${[...ids].join(", ")})`];
      });
    },
  };

  function windowOf({ meter, unit, window, windowStart }: SeenAlert["data"]): string {
    return `${unit === "MONEY" ? MONEY : (meter ?? "requests")} ${window} ${windowStart}`;
  }
  function nameOf({ data }: SeenAlert): string {
    const threshold = data.thresholdKind === "AMOUNT" ? `amount ${data.threshold}` : data.threshold;
    return `${windowOf(data)} ${threshold} of ${data.limit}`;
  }
  function isExceeded({ data }: SeenAlert): boolean {
    return data.threshold === EXCEEDED && data.thresholdKind !== "AMOUNT";
  }
}

export type AlertBook = ReturnType<typeof createAlertBook>;
