import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { packageRoot } from "#platform/process/package-root.js";
import { percentOf, type Score, totalOf } from "./score.js";

/** The last score of a file: of the commit as it was then. */
export interface Result extends Score {
  readonly commit: string;
  /** E.g. 2026-03-15. */
  readonly date: string;
}

/** By path from the checkout. */
export type Results = Readonly<Record<string, Result>>;

const RESULTS = path.join(packageRoot(), "tests/mutation-score/results.json");
const PAGE = path.join(packageRoot(), "docs/correctness.md");
const [BEGIN, END] = ["<!-- mutation scores: begin -->", "<!-- mutation scores: end -->"];

export async function readResults(): Promise<Results> {
  return JSON.parse(await readFile(RESULTS, "utf8"));
}

/** Stores the results, and the table of their rooms in the page on correctness. */
export async function writeResults(results: Results): Promise<void> {
  const sorted = Object.fromEntries(Object.entries(results).sort(([a], [b]) => (a < b ? -1 : 1)));
  await writeFile(RESULTS, `${JSON.stringify(sorted, null, 2)}\n`);
  await writeFile(PAGE, (await pageWith(sorted)).should);
}

/** The page on correctness with the table of these results. */
export async function pageWith(results: Results): Promise<{ readonly is: string; readonly should: string }> {
  const is = await readFile(PAGE, "utf8");
  const [before = "", rest = ""] = is.split(BEGIN);
  const after = rest.split(END)[1];
  if (after === undefined) throw new Error(`${PAGE} has no place for the table: ${BEGIN} … ${END}`);
  return { is, should: `${before}${BEGIN}\n\n${tableOf(results)}\n\n${END}${after}` };
}

function tableOf(results: Results): string {
  return [
    "| room | files | mutants | killed | score | survived | of these equivalent | commit, date of the oldest |",
    "|---|---|---|---|---|---|---|---|",
    ...[...byRoomOf(results)].map(([room, files]) => rowOf(room, files)),
  ].join("\n");
}

function byRoomOf(results: Results): ReadonlyMap<string, readonly Result[]> {
  const rooms = new Map<string, Result[]>();
  for (const [file, result] of Object.entries(results)) {
    const room = path.dirname(file);
    rooms.set(room, [...(rooms.get(room) ?? []), result]);
  }
  return rooms;
}

function rowOf(room: string, files: readonly Result[]): string {
  const score = totalOf(files);
  const { mutants, killed, equivalent } = score;
  const [oldest] = files.toSorted((a, b) => (a.date < b.date ? -1 : 1));
  const measured = oldest === undefined ? "" : `${oldest.commit}, ${oldest.date}`;
  const cells = [files.length, mutants, killed, `${percentOf(score)} %`, mutants - killed, equivalent, measured];
  return `| \`${room}/\` | ${cells.join(" | ")} |`;
}
