/** What the judgement found of one promise. */
export interface Check {
  /** Its number, as in docs/correctness.md. */
  readonly promise: number;
  readonly what: string;
  /** Observations that were judged. */
  readonly cases: number;
  readonly violations: readonly string[];
}

/** Judges and goes on: one run shows everything that is wrong. */
export interface Verdicts {
  readonly checks: Check[];
  add(check: Check): void;
  /** `judge` answers how many observations it judged, and what is wrong; throwing is one violation. */
  check(
    promise: number,
    what: string,
    judge: () => Promise<{ readonly cases: number; readonly violations: readonly string[] }>,
  ): Promise<void>;
  violations(): readonly string[];
}

export function createVerdicts(print: (line: string) => void): Verdicts {
  const checks: Check[] = [];
  function add(check: Check): void {
    checks.push(check);
    for (const violation of check.violations.slice(0, 10))
      print(`WRONG, promise ${check.promise}, ${check.what}: ${violation}`);
  }
  return {
    checks,
    add,
    async check(promise, what, judge) {
      try {
        add({ promise, what, ...(await judge()) });
      } catch (error) {
        add({ promise, what, cases: 1, violations: [String(error instanceof Error ? error.message : error)] });
      }
    },
    violations: () => checks.flatMap(({ violations }) => violations),
  };
}
