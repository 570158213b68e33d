import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { packageRoot } from "#platform/process/package-root.js";
import type { Bug } from "./bugs/bug.js";
import type { Hunt } from "./hunt.js";

/** The last hunt of a bug: of the bug and the commit as they were then. */
export interface Result extends Hunt {
  /** The hash of the bug's edits; absent in results of before it was kept. */
  readonly edits?: string;
  readonly commit: string;
  /** E.g. 2026-03-15. */
  readonly date: string;
}

type Results = Readonly<Record<string, Result>>;

const RESULTS = path.join(packageRoot(), "tests/mutants/results.json");
const PAGE = path.join(packageRoot(), "docs/correctness.md");
const [BEGIN, END] = ["<!-- seeded bugs: begin -->", "<!-- seeded bugs: end -->"];
const WIDTH = 140;

export const hashOfEdits = ({ edits }: Bug): string =>
  createHash("sha256").update(JSON.stringify(edits)).digest("hex").slice(0, 12);

/** Whether a result is of the bug as it is written now. */
export const isOfBug = (bug: Bug, { edits }: Pick<Result, "edits"> = {}): boolean =>
  edits === undefined || edits === hashOfEdits(bug);

/** What was found of the bugs as they are written now. */
export const resultsOf = (bugs: readonly Bug[], results: Results): Results =>
  Object.fromEntries(
    bugs.flatMap((bug) => {
      const result = results[bug.name];
      return result !== undefined && isOfBug(bug, result) ? [[bug.name, result]] : [];
    }),
  );

export async function readResults(): Promise<Results> {
  return JSON.parse(await readFile(RESULTS, "utf8"));
}

export async function writeResults(results: Results): Promise<void> {
  const sorted = Object.fromEntries(Object.entries(results).sort(([a], [b]) => (a < b ? -1 : 1)));
  await writeFile(RESULTS, `${JSON.stringify(sorted, null, 2)}\n`);
}

/** The page on correctness with the table of these bugs. */
export async function pageWith(
  bugs: readonly Bug[],
  results: Results,
): Promise<{ readonly is: string; readonly should: string }> {
  const is = await readFile(PAGE, "utf8");
  const [before = "", rest = ""] = is.split(BEGIN);
  const after = rest.split(END)[1];
  if (after === undefined) throw new Error(`${PAGE} has no place for the table: ${BEGIN} … ${END}`);
  return { is, should: `${before}${BEGIN}\n\n${table(bugs, results)}\n${END}${after}` };
}

export const writePage = (text: string): Promise<void> => writeFile(PAGE, text);

function table(bugs: readonly Bug[], all: Results): string {
  const results = resultsOf(bugs, all);
  const rows = bugs.map((bug) => rowOf(bug, results[bug.name]));
  return [
    summary(bugs, results),
    "",
    "| bug | promise | caught by | CPU s | as of |",
    "|---|---|---|---|---|",
    ...rows,
    "",
  ].join("\n");
}

function summary(bugs: readonly Bug[], results: Results): string {
  const ran = bugs.filter(({ name }) => results[name] !== undefined);
  const by = (is: (result: Result) => boolean) => ran.filter(({ name }) => is(results[name] as Result)).length;
  const caught = by(({ caughtBy }) => caughtBy.length > 0);
  const onlyOwn = by(({ caughtBy, ownTestCatches }) => caughtBy.length === 0 && ownTestCatches === true);
  const gaveUp = by((result) => isCaught(result) === undefined);
  const survived = ran.length - caught - onlyOwn - gaveUp;
  const unseen = bugs.filter((bug) => bug.unseen);
  const unseenCaught = unseen.filter(({ name }) => (results[name]?.caughtBy.length ?? 0) > 0);
  const text =
    `${bugs.length} bugs, ${ran.length} of them tried: ${caught} were caught by a test that was not written for the bug, ` +
    `${onlyOwn} only by that one, ${survived} by none, and for ${gaveUp} the search ended early. Of the ${unseen.length} bugs that ` +
    `were written before any test was read (*), ${unseenCaught.length} were caught.`;
  return wrapped(text);
}

function wrapped(text: string): string {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length >= WIDTH) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.join("\n");
}

function rowOf({ name, wrong, breaks, unseen }: Bug, result: Result | undefined): string {
  const asOf = result === undefined ? "" : `${result.date}, ${result.commit}`;
  const cells = [
    `${name}${unseen ? " *" : ""}: ${wrong}`,
    breaks,
    outcomeOf(result),
    `${result?.cpuSeconds ?? ""}`,
    asOf,
  ];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

/** Undefined: the search ended early. */
export function isCaught({ caughtBy, ownTestCatches, gaveUp }: Hunt): boolean | undefined {
  if (caughtBy.length > 0 || ownTestCatches) return true;
  return gaveUp === undefined ? false : undefined;
}

/** In words. */
export function outcomeOf(result: Result | undefined): string {
  if (result === undefined) return "not tried yet";
  const { caughtBy, ownTestCatches, gaveUp } = result;
  if (caughtBy.length > 0) return caughtBy.map((one) => `\`${one}\``).join(", ");
  if (ownTestCatches)
    return `only the test written for it${gaveUp === undefined ? "" : ` (the search for others ended early, ${gaveUp})`}`;
  return gaveUp === undefined ? "**nothing**" : `not judged: the search ended early (${gaveUp})`;
}
