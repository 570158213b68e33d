import { report, round as rounded } from "../support/report.js";
import type { Contestant, Figure, Measured, Missing } from "./figure.js";

export interface RoundsOptions {
  /** At most. */
  readonly rounds: number;
  /** Of one measurement. */
  readonly seconds: number;
  /** 1 for a whole run. */
  readonly scale: number;
  /** Of all rounds: none starts that would probably exceed it, but for the first. */
  readonly budgetMs: number;
}

/** What a contestant did in all rounds. */
export interface Entry {
  readonly name: string;
  readonly workload: string;
  readonly kind: Contestant["kind"];
  readonly version: string | undefined;
  readonly rounds: readonly Measured[];
}

export interface Comparison {
  readonly entries: readonly Entry[];
  readonly missing: readonly Missing[];
}

/**
 * Measures all contestants of a figure in turn, round by round, so that other load and the machine's drift affect all of them; every
 * second round in reverse order.
 */
export async function compare(figure: Figure, options: RoundsOptions): Promise<Comparison> {
  const arena = await figure.start(options.scale);
  const began = performance.now();
  try {
    for (const { name, reason } of arena.missing) announce(name, reason);
    const results = new Map<Contestant, Measured[]>(arena.contestants.map((one) => [one, []]));
    let slowestMs = 0;
    for (let n = 0; n < options.rounds; n += 1) {
      const roundBegan = performance.now();
      if (n > 0 && roundBegan - began + slowestMs > options.budgetMs) break;
      for (const contestant of n % 2 === 0 ? arena.contestants : arena.contestants.toReversed()) {
        const measured = await contestant.measure(options.seconds);
        results.get(contestant)?.push(measured);
        report(`  ${n + 1}. ${contestant.name}, ${contestant.workload}`, roundedBy(figure, measured));
      }
      slowestMs = Math.max(slowestMs, performance.now() - roundBegan);
    }
    const entries = [...results].map(([{ name, workload, kind, version }, rounds]) => ({
      ...{ name, workload, kind, version, rounds },
    }));
    return { entries, missing: arena.missing };
  } finally {
    await arena.stop();
  }
}

function announce(name: string, reason: string): void {
  console.error(`\nNOT MEASURED: ${name}: ${reason}\n`);
}

function roundedBy({ columns }: Figure, measured: Measured): Record<string, number> {
  const shown = columns.filter(({ key }) => measured[key] !== undefined);
  return Object.fromEntries(shown.map(({ key, digits }) => [key, rounded(measured[key] ?? Number.NaN, digits)]));
}
