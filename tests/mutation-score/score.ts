import type { Mutant } from "./report.js";

/** A surviving mutant that a person has judged: no test can tell it from the code. */
export interface JudgedSurvivor {
  readonly file: string;
  readonly line: string;
  readonly change: string;
  /** Why no test can. */
  readonly why: string;
}

export interface Score {
  readonly mutants: number;
  readonly killed: number;
  /** Of the survivors: judged equivalent. */
  readonly equivalent: number;
}

export interface Judgement {
  readonly score: Score;
  /** Survivors that nobody has judged: holes in the tests, until shown otherwise. */
  readonly holes: readonly Mutant[];
  /** Judgements of these files that name no survivor any more. */
  readonly stale: readonly JudgedSurvivor[];
}

/** Judges the mutants of some files. */
export function judge(mutants: readonly Mutant[], judged: readonly JudgedSurvivor[]): Judgement {
  const survivors = mutants.filter(({ isKilled }) => !isKilled);
  const isOf = (mutant: Mutant) => (one: JudgedSurvivor) =>
    one.file === mutant.file && one.line === mutant.line && one.change === mutant.change;
  const holes = survivors.filter((mutant) => !judged.some(isOf(mutant)));
  const files = new Set(mutants.map(({ file }) => file));
  return {
    score: {
      mutants: mutants.length,
      killed: mutants.length - survivors.length,
      equivalent: survivors.length - holes.length,
    },
    holes,
    stale: judged.filter((one) => files.has(one.file) && !survivors.some((mutant) => isOf(mutant)(one))),
  };
}

/** Of several files. */
export const totalOf = (scores: readonly Score[]): Score => ({
  mutants: scores.reduce((sum, { mutants }) => sum + mutants, 0),
  killed: scores.reduce((sum, { killed }) => sum + killed, 0),
  equivalent: scores.reduce((sum, { equivalent }) => sum + equivalent, 0),
});

/** Percent of the mutants that were killed, survivors judged equivalent included, rounded down to a tenth; 0 if none was tried. */
export const percentOf = ({ mutants, killed }: Score): string =>
  mutants === 0 ? "0.0" : (Math.floor((killed * 1000) / mutants) / 10).toFixed(1);
