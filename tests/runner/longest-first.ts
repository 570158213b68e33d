import { readFileSync } from "node:fs";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Starts the files with the largest CPU budget first, so that none runs alone at the end. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const budget: Readonly<Record<string, number>> = JSON.parse(
      readFileSync(new URL("./cpu-budget.json", import.meta.url), "utf8"),
    );
    const root = `${this.ctx.config.root}/`;
    const costOf = ({ moduleId }: TestSpecification) => budget[moduleId.replace(root, "")] ?? 0;
    return (await super.sort(files)).sort((a, b) => costOf(b) - costOf(a));
  }
}
