import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { packageRoot } from "#platform/process/package-root.js";
import { chartOf } from "./chart.js";
import type { Column } from "./figure.js";
import type { Circumstances } from "./machine.js";
import type { FigureResult, ProgramResult, Results } from "./results.js";
import type { Entry } from "./rounds.js";
import { ratiosOf, type Spread, spreadOf, workloadsOf } from "./spread.js";

/** A generated file, by its path from the checkout: as it is, and as the results say. */
export interface Generated {
  readonly file: string;
  readonly is: string;
  readonly should: string;
}

const INTRO = `# Benchmarks

How fast Metrly is beside what one would use instead, for anyone who has to choose or to plan a machine. Each comparison does the same
work on the same machine: the systems take turns, round by round, every second round in reverse order, so that what else the machine
does affects all of them. The load comes from a process of its own, on the same cores. Absolute rates depend on the machine; ratios
less so. This page is generated from \`bench/results.json\`; see [bench](../bench/README.md) for what is measured how.

\`\`\`sh
npm run bench                        # everything, five rounds, about 25 minutes
npm run bench -- counted --rounds 3  # one comparison
\`\`\`

It starts its own PostgreSQL, Redis and Kafka, as the tests do. Peers are installed in the versions named here, into the checkout's cache:
packages of npm from locks of their own, throttlecrab-server with cargo, envoyproxy/ratelimit with Go. One that cannot be had
is announced and left out.

A cell is the median of the rounds, with the least and the greatest in brackets. "Times" compares within each round: the median of those ratios,
more than 1 where the system does better than the reference.`;

/** The page, and the picture of each comparison. */
export async function generated(results: Results): Promise<Generated[]> {
  const charts = Object.entries(results.figures).map(
    ([name, figure]) => [`docs/benchmarks/${name}.svg`, chartOf(figure)] as const,
  );
  const files = [["docs/benchmarks.md", pageOf(results)] as const, ...charts];
  return Promise.all(
    files.map(async ([file, should]) => {
      const is = await readFile(path.join(packageRoot(), file), "utf8").catch(() => "");
      return { file, is, should };
    }),
  );
}

export async function writePage(results: Results): Promise<void> {
  await mkdir(path.join(packageRoot(), "docs/benchmarks"), { recursive: true });
  for (const { file, should } of await generated(results)) await writeFile(path.join(packageRoot(), file), should);
}

export function pageOf({ figures, programs }: Results): string {
  const parts = [
    INTRO,
    winsOf(figures),
    ...Object.entries(figures).map(([name, figure]) => sectionOf(name, figure)),
    ...(Object.keys(programs).length === 0 ? [] : [programsOf(programs)]),
  ];
  return `${parts.join("\n\n")}\n`;
}

/** Differences below this are no difference on a shared machine. */
const NOTABLE = 1.05;

function winsOf(figures: Results["figures"]): string {
  if (Object.keys(figures).length === 0) return "Nothing has been measured yet.";
  const wins = Object.values(figures).flatMap((figure) =>
    workloadsOf(figure).flatMap((workload) => winsIn(figure, workload)),
  );
  const lines = wins.length === 0 ? "Nowhere in these runs." : wins.map((win) => `- ${win}`).join("\n");
  return `## Where another system does better\n\n${lines}`;
}

function winsIn(figure: FigureResult, workload: string): string[] {
  const entries = figure.entries.filter((entry) => entry.workload === workload);
  const ours = entries.filter(({ kind }) => kind === "metrly");
  const others = entries.filter(({ kind }) => kind !== "metrly");
  return ours.flatMap((our) =>
    others.flatMap((other) => {
      const better = figure.columns.flatMap((column) => {
        const ratio = ratiosOf(column, other, our)?.median;
        return ratio !== undefined && ratio >= NOTABLE ? [`${column.title} (${timesText(ratio)} times)`] : [];
      });
      if (better.length === 0) return [];
      return [`${figure.title}, ${workload}: ${other.name} beats ${our.name} in ${better.join(", ")}.`];
    }),
  );
}

function sectionOf(name: string, figure: FigureResult): string {
  const tables = workloadsOf(figure).map((workload) => `### ${workload}\n\n${tableOf(figure, workload)}`);
  const missing = figure.missing.map(({ name, reason }) => `**Not measured:** ${name}: ${reason}`);
  return [
    `## ${figure.title}`,
    figure.text,
    `![${figure.title}](benchmarks/${name}.svg)`,
    ...tables.map((table) => table.replace(/^### /, `### ${figure.title}: `)),
    ...missing,
    `${measuredText(figure.measured)} ${roundsText(figure)}`,
  ].join("\n\n");
}

function tableOf(figure: FigureResult, workload: string): string {
  const entries = figure.entries.filter((entry) => entry.workload === workload);
  const base = entries.find(({ name }) => name === figure.base);
  const columns = figure.columns.filter((column) => entries.some((entry) => spreadOf(column, entry) !== undefined));
  const [first] = figure.columns;
  const head = ["system", "version", ...columns.map(({ title }) => title), `${first.title}: times the reference`];
  const rows = entries.map((entry) => [
    entry.name === figure.base ? `${entry.name} (the reference)` : entry.name,
    entry.version ?? "",
    ...columns.map((column) => cellOf(spreadOf(column, entry), (value) => numberText(value, column))),
    base === undefined ? "" : cellOf(ratiosOf(first, entry, base), timesText),
  ]);
  return [head, head.map((_, at) => (at < 2 ? "---" : "---:")), ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}

function cellOf(spread: Spread | undefined, text: (value: number) => string): string {
  if (spread === undefined) return "";
  const { median, least, greatest } = spread;
  return least === greatest ? text(median) : `${text(median)} (${text(least)} to ${text(greatest)})`;
}

function numberText(value: number, { digits }: Column): string {
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

const timesText = (ratio: number): string => ratio.toPrecision(ratio < 10 ? 2 : 3).replace(/\.0+$/, "");

function measuredText({ commit, date, cpu, cores, memoryGb, system, node, loadBefore }: Circumstances): string {
  return `Measured at commit ${commit} on ${date}: ${cpu}, ${cores} cores, ${memoryGb} GB, ${system}, Node ${node}, load ${loadBefore} before the run.`;
}

const FULL_ROUNDS = 5;

function roundsText({ entries, seconds }: FigureResult): string {
  const rounds = Math.min(...entries.map((entry: Entry) => entry.rounds.length));
  const text = `${rounds} round${rounds === 1 ? "" : "s"} of ${Number(seconds.toPrecision(2))} s each.`;
  return rounds >= FULL_ROUNDS ? text : `${text} **Fewer than ${FULL_ROUNDS} rounds: not to be quoted.**`;
}

function programsOf(programs: Results["programs"]): string {
  return [
    "## Metrly's own figures",
    "Each with its reference of the same minute; [bench](../bench/README.md) says what the words mean.",
    ...Object.values(programs).map(programOf),
  ].join("\n\n");
}

function programOf({ text, command, lines, measured }: ProgramResult): string {
  const rows = lines.flatMap(({ what, figures }) =>
    Object.entries(figures).map(([name, value]) => `| ${what} | ${name} | ${shown(value)} |`),
  );
  return [
    `### ${text}`,
    `\`${command}\``,
    ["| | figure | value |", "|---|---|---:|", ...rows].join("\n"),
    measuredText(measured),
  ].join("\n\n");
}

function shown(value: unknown): string {
  if (typeof value === "number") return value.toLocaleString("en", { maximumFractionDigits: 3 });
  return typeof value === "string" ? value : JSON.stringify(value).replaceAll("|", "\\|");
}
