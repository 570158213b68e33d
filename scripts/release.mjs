// `npm run release [-- --dry-run] [VERSION]`: makes a release of a clean, checked `main`: versions, the changelog's date, frozen
// contracts, a commit and a tag. VERSION defaults to the next minor one. With --dry-run it says each step and changes nothing, and
// fails when a condition is unmet. Nothing is pushed.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";

const isDryRun = process.argv.includes("--dry-run");
const { version: current, scripts } = json("package.json");
const version = process.argv.slice(2).find((argument) => !argument.startsWith("--")) ?? nextMinor(current);
if (!/^\d+\.\d+\.\d+$/.test(version)) {
  console.error(`${version} is not a version such as ${nextMinor(current)}`);
  process.exit(1);
}
const tag = `v${version}`;
const GRAPH = "schema/graphql";

const conditions = [
  [`${version} is a version above ${current}`, () => isAbove(version, current)],
  ["the branch is main", () => git("branch", "--show-current") === "main"],
  ["the tree is clean", () => git("status", "--porcelain") === ""],
  [`there is no tag ${tag}`, () => git("tag", "--list", tag) === ""],
  ["CHANGELOG.md has something under Unreleased", () => unreleased().trim() !== ""],
  ["a git remote is the repository that sdk/package.json names", isRepositoryOurs],
];

const steps = [
  ["npm run check", () => npm("check"), "check" in scripts],
  [`set version ${version} in package.json, sdk/package.json and package-lock.json`, bumpVersions],
  [`date ${version} in CHANGELOG.md`, dateChangelog],
  [
    "freeze the contracts of events and documents: npm run schema:release",
    () => npm("schema:release"),
    "schema:release" in scripts,
  ],
  [
    `replace ${GRAPH}/released.graphql by api.graphql, and empty breaking.json`,
    releaseGraph,
    existsSync(`${GRAPH}/api.graphql`),
  ],
  [`commit "Release ${version}"`, commit],
  [`tag ${tag}`, () => run("git", "tag", "--annotate", tag, "--message", `Metrly ${version}`)],
];

const unmet = conditions.filter(([, holds]) => !holds()).map(([what]) => what);
for (const what of unmet) console.error(`a release needs: ${what}`);
if (unmet.length > 0) process.exitCode = 1;
if (unmet.length > 0 && !isDryRun) process.exit();
for (const [what, take, applies = true] of steps) {
  if (!applies) continue;
  console.log(`${isDryRun ? "would " : ""}${what}`);
  if (!isDryRun) take();
}
console.log(isDryRun ? "nothing was changed" : `${tag} is made: git push origin main ${tag}`);

function bumpVersions() {
  for (const file of ["package.json", "sdk/package.json"]) save(file, { ...json(file), version });
  const lock = json("package-lock.json");
  lock.version = version;
  for (const at of ["", "sdk"]) lock.packages[at].version = version;
  save("package-lock.json", lock);
}

/** npm shows the address as the project's: what is a placeholder must not be published. */
function isRepositoryOurs() {
  const placeOf = (url) =>
    /^(?:git\+)?(?:\w+:\/\/)?(?:[^@/]*@)?([^:/]+)[:/]+(.*?)(?:\.git)?$/.exec(url)?.slice(1).join("/");
  const named = json("sdk/package.json").repository?.url;
  const remotes = (git("remote") ?? "")
    .split("\n")
    .filter(Boolean)
    .map((name) => git("remote", "get-url", name) ?? "");
  return named === undefined || remotes.map(placeOf).includes(placeOf(named));
}

function unreleased() {
  return /^## \[Unreleased\]\n([\s\S]*?)(?=^## |(?![\s\S]))/m.exec(readFileSync("CHANGELOG.md", "utf8"))?.[1] ?? "";
}

function dateChangelog() {
  const today = new Date().toISOString().slice(0, 10);
  const text = readFileSync("CHANGELOG.md", "utf8");
  writeFileSync(
    "CHANGELOG.md",
    text.replace("## [Unreleased]\n", () => `## [Unreleased]\n\n## [${version}] - ${today}\n`),
  );
}

function releaseGraph() {
  writeFileSync(`${GRAPH}/released.graphql`, readFileSync(`${GRAPH}/api.graphql`));
  save(`${GRAPH}/breaking.json`, []);
}

function commit() {
  run("git", "add", "--all");
  const why = "Freezes the public graph and the contracts of events and documents as they are released.";
  run("git", "commit", "--quiet", "--message", `Release ${version}`, "--message", why);
}

function isAbove(next, previous) {
  const [a, b] = [next, previous].map((text) => text.split(".").map(Number));
  const at = a.findIndex((part, index) => part !== b[index]);
  return at !== -1 && a[at] > b[at];
}

function nextMinor(text) {
  const [major, minor] = text.split(".").map(Number);
  return `${major}.${minor + 1}.0`;
}

function json(file) {
  return JSON.parse(readFileSync(file, "utf8"));
}

function save(file, value) {
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`);
}

function git(...args) {
  const { status, stdout } = spawnSync("git", args, { encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}

function npm(script) {
  run("npm", "run", "--silent", script);
}

/** Exits when the command fails: `git checkout .` then undoes the changes. */
function run(command, ...args) {
  const { status } = spawnSync(command, args, { stdio: "inherit" });
  if (status === 0) return;
  console.error(`${[command, ...args.slice(0, 3)].join(" ")} failed; "git checkout ." undoes what was changed`);
  process.exit(1);
}
