// The contracts of events and stored documents against `schema/events/released`, the JSON Schemas of the last release.
// `check` fails when a released one differs, unless what is new can be ignored and is marked in `additions.json` with the reason,
// and when `released` is not as the release left it; `release` freezes everything as it is now. Run with `--import tsx`: see package.json.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { contractChanges, tamperings, unreleasedProblems } from "./event-compatibility.ts";

/** The commit that froze the contracts of 0.1.0, which has no tag. */
const FIRST_FREEZE = "0a83f88e05afbadd943bbddcf73f04348eebd3e4";

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const FOLDER = path.join(ROOT, "schema/events");
const RELEASED = path.join(FOLDER, "released");
const MARKS = path.join(RELEASED, "additions.json");
const json = (value) => `${JSON.stringify(value, null, 2)}\n`;

const mode = process.argv[2];
if (mode !== "check" && mode !== "release") {
  console.error("usage: contracts.mjs check|release");
  process.exit(2);
}
const current = await contracts();
const marks = JSON.parse(readFileSync(MARKS, "utf8"));
const problems = [...changes(released(), Object.keys(marks)), ...unexplained(marks), ...tampered(released())];
if (problems.length > 0) {
  console.error(problems.join("\n"));
  process.exitCode = 1;
} else if (mode === "release") freeze();

/** By type, as JSON Schema. */
async function contracts() {
  const files = readdirSync(FOLDER).filter((name) => /\.v\d+\.ts$/.test(name));
  const modules = await Promise.all(files.map((name) => import(path.join(FOLDER, name))));
  const found = modules.flatMap((module) => Object.values(module)).filter((value) => value?.schema && value.parse);
  return new Map(found.map(({ type, schema }) => [type, JSON.parse(JSON.stringify(schema))]));
}

function released() {
  const names = readdirSync(RELEASED).filter((name) => /\.v\d+\.json$/.test(name));
  return new Map(
    names.map((name) => [path.basename(name, ".json"), JSON.parse(readFileSync(path.join(RELEASED, name), "utf8"))]),
  );
}

function changes(before, marked) {
  const found = [...before].map(([type, schema]) => contractChanges(type, schema, current.get(type)));
  const added = found.flatMap((change) => change.added);
  return [
    ...found
      .flatMap((change) => change.broken)
      .map((place) => `this changes a released contract and needs its next version: ${place}`),
    ...added
      .filter((place) => !marked.includes(place))
      .map((place) => `if older readers may ignore this, mark it in schema/events/released/additions.json: ${place}`),
    ...marked
      .filter((place) => !added.includes(place))
      .map((place) => `schema/events/released/additions.json marks what is no addition: ${place}`),
    ...unreleasedProblems([...before.keys()], [...current.keys()]),
  ];
}

function unexplained(marked) {
  return Object.entries(marked)
    .filter(([, reason]) => typeof reason !== "string" || reason.trim() === "")
    .map(([place]) => `schema/events/released/additions.json needs the reason why older readers may ignore ${place}`);
}

/** How the folder differs from what the release committed. */
function tampered(now) {
  const { version } = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8"));
  const release = version === "0.1.0" ? FIRST_FREEZE : `v${version}`;
  const names = git("ls-tree", "--name-only", release, "schema/events/released/");
  if (names === undefined) {
    console.log(`schema/events/released not compared with the release: ${release} is not in this clone`);
    return [];
  }
  const frozen = names.split("\n").filter((name) => /\.v\d+\.json$/.test(name));
  const then = frozen.map((name) => [path.basename(name, ".json"), JSON.parse(git("show", `${release}:${name}`))]);
  return tamperings(new Map(then), now);
}

/** The trimmed output, or undefined when git fails or is missing. */
function git(...args) {
  const { status, stdout } = spawnSync("git", args, { cwd: ROOT, encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}

function freeze() {
  for (const [type, schema] of current) writeFileSync(path.join(RELEASED, `${type}.json`), json(schema));
  writeFileSync(MARKS, json({}));
  console.log(`froze ${current.size} contracts in schema/events/released`);
}
