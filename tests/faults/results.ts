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
const PRODUCT = ["cli", "deploy", "docker-compose.yml", "gateway", "kernel", "package-lock.json", "platform", "prisma"];
/** Beside the product's code, and not in it. */
const APART = ["*.test.ts", "*.testing.ts", "*.conformance.ts", "*.snap", "*.md"];
/** Of the product, for git. */
export const SOURCES: readonly string[] = [
  ...[...PRODUCT, "schema", "workers"],
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

/** Of the product's sources as they are here; changes that are not committed give another one. */
export function hashOfSources(): string {
  const hash = createHash("sha256").update(git("ls-files", "--stage", "--", ...SOURCES));
  const changed = git("diff", "HEAD", "--", ...SOURCES);
  return (changed === "" ? hash : hash.update(changed)).digest("hex").slice(0, 12);
}

const git = (...args: readonly string[]): string =>
  execFileSync("git", args, { cwd: packageRoot(), encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });

/** Runs the cell, and appends what came of it to the results. Those of other sources go when this cell has run on these. */
export async function record(cell: Cell, seed: number, run: () => Promise<void>): Promise<void> {
  const startedAt = Date.now();
  const about = { ...cell, sources: hashOfSources(), commit: git("rev-parse", "--short", "HEAD").trim() };
  const add = (violated?: string) => {
    const [date = ""] = new Date(startedAt).toISOString().split("T");
    const seconds = Math.round((Date.now() - startedAt) / 1_000);
    append({ ...about, date, seed, seconds, ...(violated !== undefined && { violated }) });
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
