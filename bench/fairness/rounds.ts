import { setTimeout as wait } from "node:timers/promises";
import { deferred } from "#platform/lifecycle/deferred.js";
import { medianOf } from "../support/report.js";

/** One use of a shared resource by a tenant; rejects when it is refused. */
export type Use = (tenantId: string) => Promise<unknown>;

/** Names of tenants whose latency is measured, and of the one that asks for more than its share. */
export const OTHERS: readonly string[] = ["acme", "globex", "hooli", "initech", "umbrella"];
export const LOUD = "loud";

export interface RoundOptions {
  /** Tenants whose latency is measured, each in a closed loop with a pause. */
  readonly others: readonly string[];
  readonly use: Use;
  /** The tenant that asks for `TIMES` shares begins; resolves when it does. */
  readonly loud: () => Promise<Loud>;
  /** The same on a resource of its own on this machine: what the others then wait is for processors, not for the resource. */
  readonly elsewhere?: () => Promise<Loud>;
  readonly rounds: number;
  /** Of each part of a round. */
  readonly seconds: number;
  /** Waits until nothing of the half before is left. */
  readonly settle?: () => Promise<unknown>;
}

export interface FairnessResult {
  /** Medians over the rounds, ms. */
  readonly withoutMs: number;
  readonly besideMs: number;
  /** Of the two p99 in each round: the median, and all of them. */
  readonly ratio: number;
  readonly ratios: readonly number[];
  /** Of the p99 beside a loud tenant elsewhere to that without it: the median. */
  readonly elsewhereRatio?: number;
  /** Uses that were measured without and beside the loud tenant, in all rounds. */
  readonly uses: readonly [number, number];
  readonly loudServed: number;
  readonly loudRefused: number;
  readonly othersRefused: number;
}

/** A loud tenant, which uses the resource until it is ended. */
export interface Loud {
  end(): Promise<LoudResult>;
}

/** What became of the loud tenant's uses. */
export interface LoudResult {
  readonly served: number;
  readonly refused: number;
}

/** How many shares the loud tenant asks for. */
export const TIMES = 50;
const PAUSE_MS = 5;
/** As long as the edge waits before it refuses. */
const REFUSED_PAUSE_MS = 100;

/** Measures the p99 of the others without and beside the loud tenant, in turn, so that other load affects both alike. */
export async function measureRounds(options: RoundOptions): Promise<FairnessResult> {
  const counts = { served: 0, refused: 0, othersRefused: 0 };
  const halves: { without: number[]; beside: number[]; elsewhere: number[] }[] = [];
  await half(options, counts, undefined);
  for (let round = 0; round < options.rounds; round += 1) {
    const without = await half(options, counts, undefined);
    await options.settle?.();
    const beside = await half(options, counts, options.loud);
    await options.settle?.();
    const elsewhere = options.elsewhere === undefined ? [] : await half(options, { ...counts }, options.elsewhere);
    halves.push({ without, beside, elsewhere });
  }
  const ratios = halves.map(({ without, beside }) => p99(beside) / p99(without));
  return {
    withoutMs: medianOf(halves.map(({ without }) => p99(without))),
    besideMs: medianOf(halves.map(({ beside }) => p99(beside))),
    ratio: medianOf(ratios),
    ratios,
    ...(options.elsewhere !== undefined && {
      elsewhereRatio: medianOf(halves.map(({ without, elsewhere }) => p99(elsewhere) / p99(without))),
    }),
    uses: [sum(halves.map(({ without }) => without.length)), sum(halves.map(({ beside }) => beside.length))],
    loudServed: counts.served,
    loudRefused: counts.refused,
    othersRefused: counts.othersRefused,
  };
}

interface Counts {
  served: number;
  refused: number;
  othersRefused: number;
}

async function half(options: RoundOptions, counts: Counts, begin: RoundOptions["loud"] | undefined): Promise<number[]> {
  const latencies: number[] = [];
  // It has begun before anything is measured, and ends after: a process takes its time to start.
  const loud = await begin?.();
  const endAt = performance.now() + options.seconds * 1_000;
  async function quiet(tenantId: string): Promise<void> {
    while (performance.now() < endAt) {
      const began = performance.now();
      try {
        await options.use(tenantId);
        latencies.push(performance.now() - began);
      } catch {
        counts.othersRefused += 1;
      }
      await wait(PAUSE_MS);
    }
  }
  await Promise.all(options.others.map(quiet));
  const { served, refused } = (await loud?.end()) ?? { served: 0, refused: 0 };
  counts.served += served;
  counts.refused += refused;
  return latencies;
}

/**
 * A loud tenant in this process: as many closed loops as it asks for shares, which pause only when they are refused. Resolves when it
 * has used the resource that often; one of its uses may last as long as there are others.
 */
export async function loudLoops(use: () => Promise<unknown>): Promise<Loud> {
  const result = { served: 0, refused: 0 };
  const begun = deferred();
  let isEnding = false;
  async function loop(): Promise<void> {
    while (!isEnding) {
      try {
        await use();
        result.served += 1;
      } catch {
        result.refused += 1;
        await wait(REFUSED_PAUSE_MS);
      }
      if (result.served + result.refused >= TIMES) begun.resolve();
    }
  }
  const loops = Array.from({ length: TIMES }, loop);
  await begun.promise;
  return {
    async end() {
      isEnding = true;
      await Promise.all(loops);
      return result;
    },
  };
}

function p99(latencies: readonly number[]): number {
  const sorted = Float64Array.from(latencies).sort();
  return sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);
