import type { Line, Outcome } from "./history.js";

type Event = Readonly<Record<string, unknown>>;

/** A history written by hand: requests one after another, unless they are said to overlap. */
export interface Story {
  readonly lines: readonly Line[];
  /** Answered `ok`, unless `more` says otherwise. */
  add(op: string, input: object, answer?: unknown, more?: Partial<Line>): Story;
  /** Events of tenant `t`, all accepted, or with an unknown outcome. */
  events(events: readonly Event[], outcome?: Outcome): Story;
  /** Clients waited until everything was processed. */
  rest(): Story;
  /** The clock of tenant `t` moves, and all services follow. */
  advance(to: string): Story;
}

const STEP_MS = 10;

export function story(before: readonly Line[] = []): Story {
  const lines = [...before];
  let now = Math.max(1_768_000_000_000, ...lines.map(({ answered, sent }) => (answered ?? sent) + STEP_MS));
  const told: Story = {
    lines,
    add(op, input, answer, more = {}) {
      const answered = more.outcome === "unknown" ? {} : { answered: now + STEP_MS };
      lines.push({ op, sent: now, ...answered, input, answer, ...more });
      now += 2 * STEP_MS;
      return told;
    },
    events(events, outcome = "ok") {
      const sent = events.map((event) => ({ specversion: "1.0", source: "s", subject: "t", ...event }));
      const results = sent.map(() => ({ status: "accepted" }));
      return told.add("events", { events: sent }, outcome === "ok" ? { results } : undefined, { outcome });
    },
    rest: () => told.add("rest", {}),
    advance: (to) =>
      told
        .add("advanceTestClock", { tenantId: "t", to })
        .rest()
        .add("tenant", { tenantId: "t" }, { testClock: to, testClockStatus: "READY" }),
  };
  return told;
}

export interface Shown {
  readonly meter?: string;
  readonly quantity: string;
  readonly amount: string;
  readonly kind?: string;
  readonly where?: readonly (readonly [string, string])[];
  readonly before?: string;
  readonly after?: string;
}

/** An invoice of tenant `t` as the graph shows it. */
export function invoice(ordinal: number, start: string, total: string, lines: readonly Shown[], more: object = {}) {
  const id = `inv_t_${String(ordinal).padStart(6, "0")}`;
  return {
    id,
    period: { start, status: "CLOSED" },
    sha256: "",
    total: { amount: total, currency: "EUR" },
    lines: lines.map((line) => ({
      kind: line.kind ?? "USAGE",
      meter: line.meter ?? null,
      quantity: line.quantity,
      amount: { amount: line.amount },
      dimensions: (line.where ?? []).map(([dimension, value]) => ({ dimension, value })),
      plan: { id: "p@1" },
      ...(line.before !== undefined && {
        adjusts: { periodStart: "2026-01-01T00:00:00Z", quantityBefore: line.before, quantityAfter: line.after },
      }),
    })),
    ...more,
  };
}
