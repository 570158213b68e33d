import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { packageRoot } from "#platform/process/package-root.js";
import { aboutSources } from "../faults/results.js";
import type { Growth } from "./memory.js";
import type { Check } from "./verdicts.js";

/** What came of a soak. */
export interface SoakResult {
  /** The hash of the product's sources. */
  readonly sources: string;
  readonly commit: string;
  /** The day. */
  readonly date: string;
  readonly minutes: number;
  readonly seed: number;
  readonly cores: number;
  /** A second, with all clients at once and none waiting. */
  readonly capacity: Rates;
  readonly faults: { readonly hit: number; readonly missed: number };
  /** Acknowledged, each once. */
  readonly events: number;
  /** Requests, by what came of them. */
  readonly answers: Readonly<Record<"ok" | "refused" | "failed", number>>;
  /** Webhooks that arrived. */
  readonly webhooks: number;
  /** Histories that the judge read. */
  readonly histories: number;
  readonly checks: readonly (Omit<Check, "violations"> & { readonly violations: number })[];
  readonly violations: readonly string[];
  readonly memory: readonly Growth[];
  /** The largest, and the median. */
  readonly lag: { readonly logToLedgerSeconds: Spread; readonly ledgerToTotals: Spread };
  /** With start and judgement. */
  readonly seconds: number;
}
export interface Rates {
  readonly events: number;
  readonly decisions: number;
  readonly reads: number;
}
export interface Spread {
  readonly median: number;
  readonly most: number;
}

const STORED = path.join(packageRoot(), "tests/soak/results.json");
const PAGE = path.join(packageRoot(), "docs/correctness.md");
const [BEGIN, END] = ["<!-- soak: begin -->", "<!-- soak: end -->"];
export const PICTURE: string = path.join(packageRoot(), "docs/soak.svg");

/** What a soak that begins now is of. */
export const aboutNow = (): Pick<SoakResult, "sources" | "commit" | "date"> => ({
  ...aboutSources(),
  date: new Date().toISOString().slice(0, 10),
});

/** Where each soak leaves its result, of whatever length. */
export const LAST: string = path.join(packageRoot(), ".cache/soak");

/** The stored one. */
export const readSoak = (): SoakResult | undefined =>
  existsSync(STORED) ? (JSON.parse(readFileSync(STORED, "utf8")) as SoakResult) : undefined;

/** Stores a result, and writes its section of docs/correctness.md. */
export function storeSoak(result: SoakResult): void {
  writeFileSync(STORED, `${JSON.stringify(result, null, 2)}\n`);
  const page = readFileSync(PAGE, "utf8");
  const [before, after] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (before < 0 || after < before) throw new Error(`docs/correctness.md lacks ${BEGIN} … ${END}`);
  writeFileSync(PAGE, `${page.slice(0, before)}${BEGIN}\n\n${sectionOf(result)}\n\n${page.slice(after)}`);
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);

/** For people. */
export function sectionOf(result: SoakResult): string {
  const { capacity, faults, answers, lag } = result;
  const asked = sum(Object.values(answers));
  return [
    `${result.minutes} minutes on ${result.cores} cores, seed ${result.seed}, \`${result.commit}\` (${result.date}), sources \`${result.sources}\`: ` +
      `${result.violations.length} violations.`,
    "",
    `Capacity was ${capacity.events} events, ${capacity.decisions} decisions and ${capacity.reads} reads a second; the load was half of that. ` +
      `${result.events} events, ${asked} requests (${answers.failed} of them failed and were repeated or given up), ${result.webhooks} webhooks, ` +
      `${faults.hit} faults${faults.missed === 0 ? "" : ` (${faults.missed} more hit nothing)`}. ` +
      `From the log to the ledger: median ${lag.logToLedgerSeconds.median} s, at most ${lag.logToLedgerSeconds.most} s. ` +
      `Entries not yet in the totals: median ${lag.ledgerToTotals.median}, at most ${lag.ledgerToTotals.most}.`,
    "",
    "| promise | what was judged | observations | violations |",
    "|---|---|---|---|",
    ...result.checks.map((one) => `| ${one.promise} | ${one.what} | ${one.cases} | ${one.violations} |`),
    "",
    "| role | alive after a collection, MiB | growth over the later half, MiB | allowed |",
    "|---|---|---|---|",
    ...result.memory.map(({ role, medianMiB, growthMiB, allowedMiB }) => {
      const grown = growthMiB === undefined ? "restarted too often to say" : growthMiB.toFixed(1);
      return `| ${role} | ${medianMiB.toFixed(0)} | ${grown} | ${allowedMiB.toFixed(0)} |`;
    }),
    "",
    "![Memory, lag and answers during the soak, with the faults as bands](soak.svg)",
  ].join("\n");
}
