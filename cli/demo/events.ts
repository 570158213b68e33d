import { DAY_MS, HOUR_MS } from "#kernel/duration.js";
import type { DemoTenantId } from "./catalog.js";

/** A CloudEvent as the demo posts it. */
export interface DemoEvent {
  readonly specversion: "1.0";
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly time?: string;
  readonly data: Readonly<Record<string, string>>;
}

/** What a tenant does every `everyMs` from the start on, and what it asks quota for before. */
export interface Habit {
  readonly everyMs: number;
  readonly meter: string;
  amountOf(event: DemoEvent): string;
  make(n: number): Pick<DemoEvent, "type" | "data">;
}

const REGIONS = ["eu-west", "us-east", "ap-south"] as const;
const MODELS = ["small", "large"] as const;
const SOURCE = "metrly-demo";

const one = (): string => "1";
const apiCalls = (everyMs: number): Habit => ({
  ...{ everyMs, meter: "api_calls", amountOf: one },
  make: (n) => ({ type: "api.request", data: { region: REGIONS[n % REGIONS.length] ?? "eu-west" } }),
});
const completions = (everyMs: number): Habit => ({
  ...{ everyMs, meter: "llm_tokens" },
  amountOf: ({ data }) => data.tokens ?? "1",
  make: (n) => ({
    type: "llm.completion",
    data: { tokens: String(200 + ((n * 137) % 1_800)), model: MODELS[n % MODELS.length] ?? "small" },
  }),
});
const jobs = (everyMs: number): Habit => ({
  ...{ everyMs, meter: "jobs", amountOf: one },
  make: () => ({ type: "job.finished", data: {} }),
});
const egress = (everyMs: number): Habit => ({
  ...{ everyMs, meter: "egress_gb" },
  amountOf: ({ data }) => data.gb ?? "1",
  make: (n) => ({ type: "egress.measured", data: { gb: `0.${String(10 + ((n * 31) % 90)).padStart(2, "0")}` } }),
});

/** Against the limits of the catalog, for a run of a day: 360 of 1,000 an hour; 2,100 of 1,900 an hour; 48 of 40 GB an hour. */
export const HABITS: Readonly<Record<DemoTenantId, readonly Habit[]>> = {
  acme: [apiCalls(10_000), completions(30_000)],
  globex: [apiCalls(1_700), jobs(30_000), completions(60_000)],
  initech: [apiCalls(2_000), egress(41_000), completions(15_000)],
};

/** One event of a tenant's habit. `n` determines the whole event, so posting the same `n` twice is a duplicate. */
export function demoEvent(habit: Habit, idPrefix: string, n: number, timeMs?: number): DemoEvent {
  const { type, data } = habit.make(n);
  return {
    specversion: "1.0",
    id: `${idPrefix}-${habit.meter}-${n}`,
    source: SOURCE,
    type,
    ...(timeMs !== undefined && { time: new Date(timeMs).toISOString() }),
    data,
  };
}

/** Events of a working day of each habit, by the day of the week from Sunday on. */
const OF_WEEKDAY = [4, 18, 22, 25, 21, 16, 6] as const;

/** A small company's usage from `startMs` to `endMs`: more on working days, most in the afternoon. */
export function history(tenantId: DemoTenantId, startMs: number, endMs: number): DemoEvent[] {
  return HABITS[tenantId].flatMap((habit) => {
    const events: DemoEvent[] = [];
    for (let day = Math.floor(startMs / DAY_MS) * DAY_MS; day < endMs; day += DAY_MS) {
      const count = OF_WEEKDAY[new Date(day).getUTCDay()] ?? 0;
      for (let n = 0; n < count; n += 1) {
        const time = Math.floor(day + 7 * HOUR_MS + ((n + 0.5) / count) ** 0.8 * 13 * HOUR_MS);
        if (time >= startMs && time < endMs) events.push(demoEvent(habit, "history", (day / DAY_MS) * 100 + n, time));
      }
    }
    return events;
  });
}

/** What fills a window of an hour at the start: up to so much of a meter, the usage that is there included. */
export interface Filling {
  readonly tenantId: DemoTenantId;
  readonly habit: Habit;
  readonly upTo: number;
}

export const FILLINGS: readonly Filling[] = [
  { tenantId: "globex", habit: apiCalls(0), upTo: 1_890 },
  { tenantId: "initech", habit: egress(0), upTo: 43 },
];

/** Events of the hour before `nowMs` that bring a tenant's usage of that hour from `used` to where it should be. */
export function lastHour({ habit, upTo }: Filling, used: number, idPrefix: string, nowMs: number): DemoEvent[] {
  const amounts: number[] = [];
  for (let sum = used; ; ) {
    const amount = Number(habit.amountOf(demoEvent(habit, idPrefix, amounts.length)));
    if (sum + amount > upTo) break;
    amounts.push(amount);
    sum += amount;
  }
  const timeOf = (n: number) => Math.floor(nowMs - HOUR_MS * 0.97 * (1 - n / amounts.length));
  return amounts.map((_, n) => demoEvent(habit, idPrefix, n, timeOf(n)));
}
