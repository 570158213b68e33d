import { readFile } from "node:fs/promises";
import path from "node:path";
import { packageRoot } from "#platform/package-root.js";

export interface Block {
  readonly language: string;
  readonly code: string;
  readonly line: number;
}

/** A page of the documentation, from the package's root: its fenced blocks in order. */
export async function blocksOf(page: string): Promise<Block[]> {
  const text = await readFile(path.join(packageRoot(), page), "utf8");
  return [...text.matchAll(/^```(\w+)[^\n]*\n(.*?)^```$/gms)].map(({ 1: language = "", 2: code = "", index }) => ({
    language,
    code,
    line: text.slice(0, index).split("\n").length,
  }));
}

/** Whether a command's output is what the page shows; `…` stands for anything. */
export function isShown(shown: string, output: string): boolean {
  const parts = shown
    .trim()
    .split("…")
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("[\\s\\S]*")}$`).test(output.trim());
}
