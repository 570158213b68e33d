import { readFileSync } from "node:fs";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Whole systems under load: beside each other they take several times the CPU, for retries and time-outs. */
const HEAVY = /^tests\/(chaos\/|systems\/[^/]+\/story\.test\.ts$)/;
/** Of a file that is not listed in seconds.json, which has the files that took five seconds and more on two quiet cores. */
const USUAL_SECONDS = 2;

/**
 * Starts the longest files first, so that none runs alone at the end, and spreads the heavy ones over the whole run, so that
 * each has files beside it that wait most of their time.
 */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const seconds: Readonly<Record<string, number>> = JSON.parse(
      readFileSync(new URL("./seconds.json", import.meta.url), "utf8"),
    );
    const root = `${this.ctx.config.root}/`;
    const pathOf = ({ moduleId }: TestSpecification) => moduleId.replace(root, "");
    const secondsOf = (file: TestSpecification) => seconds[pathOf(file)] ?? USUAL_SECONDS;
    const sorted = (await super.sort(files)).sort((a, b) => secondsOf(b) - secondsOf(a));
    const isHeavy = (file: TestSpecification) => HEAVY.test(pathOf(file));
    return spread(
      sorted.filter(isHeavy),
      sorted.filter((file) => !isHeavy(file)),
      secondsOf,
    );
  }
}

/** Merges both, in their order, so that at each point about the same share of each one's time has started. */
function spread<T>(first: readonly T[], second: readonly T[], secondsOf: (one: T) => number): T[] {
  const total = (all: readonly T[]) => all.reduce((sum, one) => sum + secondsOf(one), 0);
  const merged: T[] = [];
  let [inFirst, inSecond] = [0, 0];
  for (const one of first) {
    while (inSecond < second.length && total(second.slice(0, inSecond)) * total(first) < inFirst * total(second))
      merged.push(second[inSecond++] as T);
    merged.push(one);
    inFirst += secondsOf(one);
  }
  return [...merged, ...second.slice(inSecond)];
}
