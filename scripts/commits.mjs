// Commits since the last release: a subject of at most 72 characters, and a body with the reason. Merges are exempt.
import { spawnSync } from "node:child_process";

const MAX_SUBJECT = 72;
/** Release 0.1.0, which has no tag; what lies before it was written before this rule. */
const BEFORE_TAGS = "2717e9e4890204b638a49541aae1d2b66d58b0e2";

const { range, note } = findRange();
if (note !== undefined) console.log(note);
const lines = range === undefined ? [] : commitsOf(range).flatMap(faultsOf);
for (const line of lines) console.error(line);
process.exitCode = lines.length === 0 ? 0 : 1;

/** Which commits are new. Where history does not reach back to the release, as much of it as is here. */
function findRange() {
  if (git("rev-parse", "--verify", "HEAD") === undefined)
    return { note: "commits not checked: this is no Git checkout" };
  const base = git("describe", "--tags", "--abbrev=0", "--match", "v[0-9]*") ?? BEFORE_TAGS;
  if (git("merge-base", "--is-ancestor", base, "HEAD") !== undefined) return { range: [`${base}..HEAD`] };
  if (git("rev-parse", "--is-shallow-repository") === "true")
    return { range: ["HEAD"], note: "commits checked as far as this shallow clone reaches" };
  return { range: ["-1", "HEAD"], note: `only the last commit checked: ${base} is not among its ancestors` };
}

function commitsOf(range) {
  const log = git("log", "--no-merges", "--format=%H%x00%s%x00%b%x01", ...range) ?? "";
  return log.split("\x01").flatMap((entry) => (entry.trim() === "" ? [] : [entry.trim().split("\0")]));
}

function faultsOf([id, subject, body]) {
  const faults = [];
  const hash = id.slice(0, 9);
  const length = [...subject].length;
  if (length > MAX_SUBJECT)
    faults.push(`${hash}: the subject has ${length} characters, at most ${MAX_SUBJECT}: ${subject}`);
  // Trailers alone (`Signed-off-by: …`) say who, not why.
  if (!body.split("\n").some((line) => line.trim() !== "" && !/^[A-Za-z]+(-[A-Za-z]+)+: /.test(line)))
    faults.push(`${hash}: no body says why: ${subject}`);
  return faults;
}

/** The trimmed output, or undefined when git fails or is missing. */
function git(...args) {
  const { status, stdout } = spawnSync("git", args, { encoding: "utf8", maxBuffer: 2 ** 26 });
  return status === 0 ? stdout.trim() : undefined;
}
