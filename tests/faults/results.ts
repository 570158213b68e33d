import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { packageRoot } from "#platform/process/package-root.js";
import type { Cell } from "./matrix.js";

/** One run of one cell. */
export interface Result extends Cell {
  /** The hash of the product's sources. */
  readonly sources: string;
  readonly commit: string;
  /** The day. */
  readonly date: string;
  readonly seed: number;
  readonly seconds: number;
  /** Absent: every promise held. */
  readonly violated?: string;
}

const FILE = path.join(packageRoot(), "tests/faults/results.json");
const PRODUCT = ["cli", "deploy", "docker-compose.yml", "gateway", "kernel", "platform", "prisma", "schema", "workers"];
/** What makes the programs of the sources, and how they are started: by dependencies, compiler, bundler, image and default settings. */
const BUILT_BY = [
  "package.json",
  "package-lock.json",
  "tsconfig.json",
  "scripts/build.mjs",
  "Dockerfile",
  ".env.example",
];
/** Beside the product's code, and not in it. */
const APART = ["*.test.ts", "*.testing.ts", "*.conformance.ts", "*.snap", "*.md"];
/** Of the product, for git. */
export const SOURCES: readonly string[] = [
  ...[...PRODUCT, ...BUILT_BY],
  ...APART.map((pattern) => `:(exclude)${pattern}`),
];

export const readResults = (): readonly Result[] =>
  existsSync(FILE) ? (JSON.parse(readFileSync(FILE, "utf8")) as readonly Result[]) : [];

/** How often this cell has run on the sources as they are here. */
export function countRuns({ component, fault }: Cell): number {
  const sources = hashOfSources();
  return readResults().filter(
    (result) => result.component === component && result.fault === fault && result.sources === sources,
  ).length;
}

/** Of the product's sources as they are here; changes that are not committed, and files that are new, give another one. */
export function hashOfSources(root: string = packageRoot()): string {
  const git = gitIn(root);
  const hash = createHash("sha256").update(git("ls-files", "--stage", "--", ...SOURCES));
  for (const changed of [git("diff", "HEAD", "--", ...SOURCES), ...newIn(root)])
    if (changed !== "") hash.update(changed);
  return hash.digest("hex").slice(0, 12);
}

/** Name and text of the product's files that git does not know yet. */
function newIn(root: string): readonly string[] {
  const names = gitIn(root)("ls-files", "--others", "--exclude-standard", "-z", "--", ...SOURCES).split("\0");
  return names.filter((name) => name !== "").flatMap((name) => [name, readFileSync(path.join(root, name), "utf8")]);
}

/** Whether the product's sources here are those of this commit. A commit that is not here has others. */
export function isOfSources(commit: string, root: string = packageRoot()): boolean {
  try {
    execFileSync("git", ["diff", "--quiet", commit, "--", ...SOURCES], { cwd: root, stdio: "ignore" });
    return newIn(root).length === 0;
  } catch {
    return false;
  }
}

/** What a run is of: to be read before the product is built, because a run takes hours. */
export interface About {
  readonly sources: string;
  /** With a `+` if the product's sources are not those of the commit. */
  readonly commit: string;
}

export function aboutSources(root: string = packageRoot()): About {
  const commit = gitIn(root)("rev-parse", "--short", "HEAD").trim();
  return { sources: hashOfSources(root), commit: isOfSources(commit, root) ? commit : `${commit}+` };
}

const gitIn =
  (root: string) =>
  (...args: readonly string[]): string =>
    execFileSync("git", args, { cwd: root, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });

/** Runs the cell, and appends what came of it to the results. Those of other sources go when this cell has run on these. */
export async function record(
  cell: Cell,
  seed: number,
  { sources, commit }: About,
  run: () => Promise<void>,
  keep: (result: Result) => void = append,
): Promise<void> {
  const startedAt = Date.now();
  const add = (violated?: string) => {
    const [date = ""] = new Date(startedAt).toISOString().split("T");
    const seconds = Math.round((Date.now() - startedAt) / 1_000);
    keep({ ...cell, sources, commit, date, seed, seconds, ...(violated !== undefined && { violated }) });
  };
  try {
    await run();
  } catch (error) {
    add(String(error).slice(0, 500));
    throw error;
  }
  add();
}

function append(result: Result): void {
  const kept = readResults().filter(
    ({ component, fault, sources }) =>
      sources === result.sources || component !== result.component || fault !== result.fault,
  );
  const lines = [...kept, result].map((one) => JSON.stringify(one));
  writeFileSync(FILE, `[\n${lines.join(",\n")}\n]\n`);
}
