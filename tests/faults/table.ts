import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { packageRoot } from "#platform/process/package-root.js";
import { type Cell, COMPONENTS, cells, FAULT_NAMES, FAULTS, reasonAgainst } from "./matrix.js";
import { hashOfSources, type Result, readResults } from "./results.js";

const PAGE = path.join(packageRoot(), "docs/correctness.md");
const BEGIN = "<!-- fault matrix: begin -->";
const END = "<!-- fault matrix: end -->";

/** Writes the table of all results into its section of docs/correctness.md. */
export function writeTable(): void {
  const page = readFileSync(PAGE, "utf8");
  const [before, after] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (before < 0 || after < before) throw new Error(`docs/correctness.md lacks ${BEGIN} … ${END}`);
  const section = `${BEGIN}\n\n${tableOf(readResults(), hashOfSources())}\n\n`;
  writeFileSync(PAGE, page.slice(0, before) + section + page.slice(after));
}

/** Faults down, components across. A result of other sources is stale. */
export function tableOf(results: readonly Result[], sources: string): string {
  const rows = FAULT_NAMES.map((fault) =>
    row([fault, ...COMPONENTS.map((component) => textOf({ component, fault }, results, sources))]),
  );
  const reasons = FAULT_NAMES.flatMap((fault) => {
    const of = COMPONENTS.map((component) => [component, reasonAgainst({ component, fault })] as const);
    const groups = [...new Set(of.flatMap(([, reason]) => reason ?? []))];
    const texts = groups.map(
      (reason) => `${of.flatMap(([name, one]) => (one === reason ? name : [])).join(", ")}: ${reason}`,
    );
    return texts.length === 0 ? [] : [`- ${fault}: ${texts.join("; ")}`];
  });
  return [
    ...summaryOf(results, sources),
    "",
    row(["fault", ...COMPONENTS]),
    row(["---", ...COMPONENTS.map(() => "---")]),
    ...rows,
    "",
    "`3/3`: all promises held in three runs of three; `(3/3)`: in runs of earlier sources; bold: a promise was violated; `.`: has not run; `-`: not",
    "tried, for a reason below.",
    "",
    ...FAULT_NAMES.map((fault) => `- ${fault}: ${FAULTS[fault]}`),
    "",
    "Not tried:",
    "",
    ...reasons,
  ].join("\n");
}

const ENOUGH_RUNS = 3;

/** How many cells held, and which sources ran. */
function summaryOf(results: readonly Result[], sources: string): readonly string[] {
  const tried = cells();
  const shown = tried.map((cell) => shownOf(cell, results, sources).runs);
  const count = (test: (runs: readonly Result[]) => boolean) => shown.filter(test).length;
  const all = shown.flat();
  const bySources = [...new Set(all.map((run) => run.sources))].map((of) => all.filter((run) => run.sources === of));
  return [
    `${tried.length} cells: ${count((runs) => runs.length >= ENOUGH_RUNS && runs.every(held))} held in ${ENOUGH_RUNS} runs or more, ` +
      `${count((runs) => runs.length > 0 && runs.length < ENOUGH_RUNS && runs.every(held))} in fewer, ` +
      `${count((runs) => !runs.every(held))} had a violation, ${count((runs) => runs.length === 0)} have not run. ` +
      `The sources had the hash \`${sources}\` when this was written.`,
    "",
    ...bySources.map(
      (runs) =>
        `- ${runs.length} runs of commit ${texts(runs.map(({ commit }) => `\`${commit}\``))} (${texts(runs.map(({ date }) => date))}), sources ` +
        `\`${runs[0]?.sources}\`: ${runs.filter(held).length} held${runs[0]?.sources === sources ? "" : "; the sources have changed since"}`,
    ),
  ];
}

const texts = (names: readonly string[]): string => [...new Set(names)].join(", ");

const held = ({ violated }: Result): boolean => violated === undefined;

const row = (texts: readonly string[]): string => `| ${texts.join(" | ")} |`;

/** The runs of these sources, or if there are none, of others. */
function shownOf({ component, fault }: Cell, results: readonly Result[], sources: string) {
  const runs = results.filter((result) => result.component === component && result.fault === fault);
  const fresh = runs.filter((run) => run.sources === sources);
  return fresh.length > 0 ? { runs: fresh, isStale: false } : { runs, isStale: true };
}

function textOf(cell: Cell, results: readonly Result[], sources: string): string {
  if (reasonAgainst(cell) !== undefined) return "-";
  const { runs, isStale } = shownOf(cell, results, sources);
  if (runs.length === 0) return ".";
  const good = runs.filter(held).length;
  const text = isStale ? `(${good}/${runs.length})` : `${good}/${runs.length}`;
  return good === runs.length ? text : `**${text}**`;
}
