import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { packageRoot } from "#platform/process/package-root.js";
import { percentOf, type Score } from "./score.js";

/** The last score of a room: of the commit as it was then. */
export interface Result extends Score {
  readonly commit: string;
  /** E.g. 2026-03-15. */
  readonly date: string;
}

/** By room. */
export type Results = Readonly<Record<string, Result>>;

const RESULTS = path.join(packageRoot(), "tests/mutation-score/results.json");
const PAGE = path.join(packageRoot(), "docs/correctness.md");
const [BEGIN, END] = ["<!-- mutation scores: begin -->", "<!-- mutation scores: end -->"];

export async function readResults(): Promise<Results> {
  return JSON.parse(await readFile(RESULTS, "utf8"));
}

/** Stores the results, and their table in the page on correctness. */
export async function writeResults(results: Results): Promise<void> {
  await writeFile(RESULTS, `${JSON.stringify(results, null, 2)}\n`);
  await writeFile(PAGE, (await pageWith(results)).should);
}

/** The page on correctness with the table of these results. */
export async function pageWith(results: Results): Promise<{ readonly is: string; readonly should: string }> {
  const is = await readFile(PAGE, "utf8");
  const [before = "", rest = ""] = is.split(BEGIN);
  const after = rest.split(END)[1];
  if (after === undefined) throw new Error(`${PAGE} has no place for the table: ${BEGIN} … ${END}`);
  return { is, should: `${before}${BEGIN}\n\n${tableOf(results)}\n\n${END}${after}` };
}

const tableOf = (results: Results): string =>
  [
    "| room | mutants | killed | score | survived | of these equivalent | commit, date |",
    "|---|---|---|---|---|---|---|",
    ...Object.entries(results).map(rowOf),
  ].join("\n");

function rowOf([room, result]: [string, Result]): string {
  const { mutants, killed, equivalent, commit, date } = result;
  const cells = [mutants, killed, `${percentOf(result)} %`, mutants - killed, equivalent, `${commit}, ${date}`];
  return `| \`${room}/\` | ${cells.join(" | ")} |`;
}
