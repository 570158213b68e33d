import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Line } from "./history.js";

/** What the judge says of a history. */
export interface Verdict {
  /** How many observations each rule judged. */
  readonly checked: Readonly<Record<string, number>>;
  /** What cannot be true, with the lines of the history that prove it. */
  readonly violations: readonly { readonly rule: string; readonly text: string; readonly lines: readonly number[] }[];
  /** Why the history itself is wrong. */
  readonly malformed?: string;
}

const JUDGE = join(import.meta.dirname, "judge");
const LARGEST_VERDICT = 64 * 1024 * 1024;
const run = promisify(execFile);

/** Judges histories with one run of Python 3, which must be there (`hasProgram("python3")`). `-S`: with its standard library alone. */
export async function judge(...histories: readonly (readonly Line[])[]): Promise<Verdict[]> {
  const folder = await mkdtemp(join(tmpdir(), "history-"));
  try {
    const files = histories.map((_, n) => join(folder, `${n}.jsonl`));
    for (const [n, lines] of histories.entries())
      await writeFile(files[n] ?? "", lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    const out = join(folder, "verdicts");
    const { stderr } = await run(
      "sh",
      ["-c", 'out="$1"; shift; python3 -B -E -S "$@" > "$out" || [ $? -le 2 ]', "sh", out, JUDGE, ...files],
      {
        maxBuffer: LARGEST_VERDICT,
      },
    );
    const verdicts = (await readFile(out, "utf8"))
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Verdict);
    // Python, too, ends with 1 when it stops at an error.
    if (verdicts.length !== histories.length)
      throw new Error(`the judge judged ${verdicts.length} of ${histories.length} histories: ${stderr.slice(-2_000)}`);
    return verdicts;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
/** For people: what is wrong, and the lines that prove it. */
export function explain({ violations, malformed }: Verdict, lines: readonly Line[]): string {
  if (malformed !== undefined) return malformed;
  return violations
    .slice(0, 10)
    .map(({ text, lines: proof }) =>
      [text, ...proof.map((n) => `  ${n}: ${JSON.stringify(lines[n - 1]).slice(0, 400)}`)].join("\n"),
    )
    .join("\n");
}
