/** What a process had alive after a full collection. */
export interface HeapSample {
  readonly atMs: number;
  readonly pid: number;
  readonly bytes: number;
}

/** How what is alive in a role grows over the later half of a run. */
export interface Growth {
  readonly role: string;
  /** The median of the later half. */
  readonly medianMiB: number;
  /** By the trend, over the whole later half; undefined: no process lived long enough to show one. */
  readonly growthMiB: number | undefined;
  readonly allowedMiB: number;
  readonly isTooMuch: boolean;
}

const MIB = 1024 * 1024;
/** A quarter, and for small heaps this much, is what bounded caches may still fill. */
const ALLOWED_SHARE = 0.25;
const ALLOWED_MIB = 32;
/** The first samples of a process are those of its start. */
const STARTING = 3;
/** A process must have lived for this share of the later half. */
const LIVED_SHARE = 0.25;

/**
 * The median of the slopes between all pairs of samples of one process (Theil and Sen), times the length of the later half. Single
 * peaks do not change it, and a restart compares nothing with what was before. It counts what is alive, so neither the collector's
 * timing nor the machine's speed matters.
 */
export function growthOf(role: string, samples: readonly HeapSample[], fromMs: number, toMs: number): Growth {
  const middleMs = (fromMs + toMs) / 2;
  const lengthMs = toMs - middleMs;
  const processes = [...new Set(samples.map(({ pid }) => pid))]
    .map((pid) => samples.filter((sample) => sample.pid === pid).slice(STARTING))
    .map((ofOne) => ofOne.filter(({ atMs }) => atMs >= middleMs && atMs <= toMs))
    .filter((ofOne) => (ofOne.at(-1)?.atMs ?? 0) - (ofOne[0]?.atMs ?? 0) >= lengthMs * LIVED_SHARE);
  const slopes = processes.flatMap((ofOne) =>
    ofOne.flatMap((later, n) => ofOne.slice(0, n).map((one) => (later.bytes - one.bytes) / (later.atMs - one.atMs))),
  );
  const medianMiB = median(processes.flat().map(({ bytes }) => bytes)) / MIB;
  const growthMiB = slopes.length === 0 ? undefined : (median(slopes) * lengthMs) / MIB;
  const allowedMiB = Math.max(ALLOWED_MIB, medianMiB * ALLOWED_SHARE);
  const isTooMuch = growthMiB !== undefined && growthMiB > allowedMiB;
  return { role, medianMiB, growthMiB, allowedMiB, isTooMuch };
}

/** 0 of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}
