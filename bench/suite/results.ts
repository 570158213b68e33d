import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { packageRoot } from "#platform/process/package-root.js";
import type { Column, Missing } from "./figure.js";
import type { Circumstances } from "./machine.js";
import type { Entry } from "./rounds.js";

/** The last run of a comparison, with all that its part of the page says. */
export interface FigureResult {
  readonly title: string;
  readonly text: string;
  readonly columns: readonly [Column, ...Column[]];
  readonly base: string;
  /** Of one measurement. */
  readonly seconds: number;
  readonly entries: readonly Entry[];
  readonly missing: readonly Missing[];
  readonly measured: Circumstances;
}

/** The last run of one of Metrly's own benchmarks: its closing lines. */
export interface ProgramResult {
  readonly command: string;
  readonly text: string;
  readonly lines: readonly { readonly what: string; readonly figures: Readonly<Record<string, unknown>> }[];
  readonly measured: Circumstances;
}

/** By name. */
export interface Results {
  readonly figures: Readonly<Record<string, FigureResult>>;
  readonly programs: Readonly<Record<string, ProgramResult>>;
}

const FILE = path.join(packageRoot(), "bench/results.json");

export async function readResults(): Promise<Results> {
  return JSON.parse(await readFile(FILE, "utf8"));
}

/** Rounds numbers to what repeats: more digits would only be noise. */
export async function writeResults(results: Results): Promise<void> {
  const text = JSON.stringify(
    results,
    (_, value) => (typeof value === "number" ? Number(value.toPrecision(6)) : value),
    2,
  );
  await writeFile(FILE, `${text}\n`);
}
