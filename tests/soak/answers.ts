import { setTimeout as wait } from "node:timers/promises";

/** What clients ask. */
export const KINDS = ["usage", "quota", "graph"] as const;
export type Kind = (typeof KINDS)[number];
/** `ok` also if a limit denied, `refused`: 4xx, `failed`: 5xx, an error of the graph, or no answer. */
export type Class = "ok" | "refused" | "failed";
export type Counts = Readonly<Record<Class, number>>;

/** Counts answers, and since it was last asked. */
export interface Answers {
  count(kind: Kind, answer: Class): void;
  total(kind: Kind): Counts;
  /** Of all kinds, since the last call. */
  take(): Counts;
}

const NONE: Counts = { ok: 0, refused: 0, failed: 0 };
const plus = (counts: Counts, answer: Class): Counts => ({ ...counts, [answer]: counts[answer] + 1 });

export function countAnswers(): Answers {
  const totals = new Map<Kind, Counts>(KINDS.map((kind) => [kind, NONE]));
  let recent = NONE;
  return {
    count(kind, answer) {
      totals.set(kind, plus(totals.get(kind) ?? NONE, answer));
      recent = plus(recent, answer);
    },
    total: (kind) => totals.get(kind) ?? NONE,
    take() {
      const taken = recent;
      recent = NONE;
      return taken;
    },
  };
}

/** Of an HTTP answer; undefined: there was none. */
export function classOf(status: number | undefined): Class {
  if (status === undefined || status >= 500) return "failed";
  return status < 400 || status === 429 ? "ok" : "refused";
}

/** Work that goes on until it is stopped; then the pieces that were begun still end. */
export interface Going {
  stop(): Promise<void>;
}

/** Each of these clients does one piece after the other. */
export function keepDoing(clients: number, work: () => Promise<unknown>): Going {
  let isOver = false;
  async function run(): Promise<void> {
    while (!isOver) await work();
  }
  const running = Promise.all(Array.from({ length: clients }, run));
  // It is awaited when it is stopped.
  running.catch(() => undefined);
  return {
    async stop() {
      isOver = true;
      await running;
    },
  };
}

const TURN_MS = 50;

/** Begins pieces at a steady rate; while `most` are under way, what would be more is left out. */
export function pace(perSecond: number, most: number, work: () => Promise<unknown>): Going {
  const underWay = new Set<Promise<unknown>>();
  let [isOver, due] = [false, 0];
  let failure: unknown;
  async function run(): Promise<void> {
    for (let last = performance.now(); !isOver; ) {
      await wait(TURN_MS);
      const now = performance.now();
      due = Math.min(most, due + ((now - last) * perSecond) / 1_000);
      last = now;
      for (; due >= 1; due -= 1) {
        if (underWay.size >= most) continue;
        const piece = work().catch((error: unknown) => {
          failure ??= error;
        });
        underWay.add(piece);
        void piece.finally(() => underWay.delete(piece));
      }
    }
  }
  const running = run();
  return {
    async stop() {
      isOver = true;
      await running;
      await Promise.all(underWay);
      if (failure !== undefined) throw failure;
    },
  };
}
