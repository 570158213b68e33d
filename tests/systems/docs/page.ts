import { readFile } from "node:fs/promises";
import path from "node:path";
import { packageRoot } from "#platform/process/package-root.js";

export interface Block {
  readonly language: string;
  readonly code: string;
  readonly line: number;
  /** The ```text block right after a command's block: its output. */
  readonly shown?: Block;
}

const textOf = (page: string): Promise<string> => readFile(path.join(packageRoot(), page), "utf8");

/**
 * A page of the documentation, by its path from the package's root: its fenced blocks in order, each output with its command.
 */
export async function blocksOf(page: string): Promise<Block[]> {
  const text = await textOf(page);
  const blocks: Block[] = [];
  for (const { 0: whole, 1: language = "", 2: code = "", index } of text.matchAll(/^```(\w+)[^\n]*\n(.*?)^```$/gms)) {
    const block = { language, code, line: text.slice(0, index).split("\n").length };
    const before = blocks.at(-1);
    if (language !== "text") blocks.push(block);
    else if (before?.language === "sh" && before.shown === undefined) blocks.splice(-1, 1, { ...before, shown: block });
    else throw new Error(`${page}:${block.line} shows the output of no command: ${whole}`);
  }
  return blocks;
}

/** Whether a command's output matches the page; `…` and `<a name>` match anything. */
export function isShown(shown: string, output: string): boolean {
  const parts = shown
    .trim()
    .split(/…|<[^<>\n]+>/)
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("[\\s\\S]*")}$`).test(output.trim());
}

/** Relative links of a page, by their paths from the package's root. */
export async function linksOf(page: string): Promise<string[]> {
  const targets = [...(await textOf(page)).matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, target = ""]) => target);
  return targets.map((target) => path.join(path.dirname(page), target));
}
