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
  const tried = cells();
  const fresh = results.filter((result) => result.sources === sources);
  const held = fresh.filter(({ violated }) => violated === undefined);
  const commits = [...new Map(results.map(({ commit, date }) => [commit, date]))];
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
    `${tried.length} cells; ${fresh.length} runs of these sources (\`${sources}\`), in ${held.length} of which every promise held.`,
    `Results are of ${commits.map(([commit, date]) => `\`${commit}\` (${date})`).join(", ") || "no commit yet"}.`,
    "`3/3`: all promises held in three runs of three; `stale`: the sources have changed since; `.`: has not run; `-`: not tried, for the reason below.",
    "",
    row(["fault", ...COMPONENTS]),
    row(["---", ...COMPONENTS.map(() => "---")]),
    ...rows,
    "",
    ...FAULT_NAMES.map((fault) => `- ${fault}: ${FAULTS[fault]}`),
    "",
    "Not tried:",
    "",
    ...reasons,
  ].join("\n");
}

const row = (texts: readonly string[]): string => `| ${texts.join(" | ")} |`;

function textOf(cell: Cell, results: readonly Result[], sources: string): string {
  if (reasonAgainst(cell) !== undefined) return "-";
  const runs = results.filter(({ component, fault }) => component === cell.component && fault === cell.fault);
  const fresh = runs.filter((run) => run.sources === sources);
  const shown = fresh.length > 0 ? fresh : runs;
  if (shown.length === 0) return ".";
  const held = shown.filter(({ violated }) => violated === undefined).length;
  const text = held === shown.length ? `${held}/${shown.length}` : `**${held}/${shown.length}**`;
  return fresh.length > 0 ? text : `${text} stale`;
}
