import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { packageRoot } from "#platform/process/package-root.js";
import { structureOf } from "../../../scripts/terminal-picture.js";

const RECIPES = "docs/recipes";

/** The pages that a newcomer follows, command by command. */
export const PAGES: readonly string[] = [
  "docs/tutorial.md",
  "README.md",
  ...["graphql", "invoices", "leaving", "pricing", "quotas", "sending"].map((name) => `docs/${name}.md`),
  ...readdirSync(path.join(packageRoot(), RECIPES)).map((name) => `${RECIPES}/${name}`),
];

export interface Block {
  readonly language: string;
  readonly code: string;
  readonly line: number;
  /** What stands after the language: the file to save a program as; of an output, `sample`. */
  readonly file?: string;
  /** The ```text block right after a command's block: its output. */
  readonly shown?: Block;
}

const FENCED = /^```(\w+)(?: (\S+))?\n(.*?)^```$/gms;

const textOf = (page: string): Promise<string> => readFile(path.join(packageRoot(), page), "utf8");

/**
 * A page of the documentation, by its path from the package's root: its fenced blocks in order, each output with its command.
 */
export async function blocksOf(page: string): Promise<Block[]> {
  const text = await textOf(page);
  const blocks: Block[] = [];
  for (const { 0: whole, 1: language = "", 2: file, 3: code = "", index } of text.matchAll(FENCED)) {
    const block = {
      language,
      code,
      line: text.slice(0, index).split("\n").length,
      ...(file !== undefined && { file }),
    };
    const before = blocks.at(-1);
    if (language !== "text") blocks.push(block);
    else if (before?.language === "sh" && before.shown === undefined) blocks.splice(-1, 1, { ...before, shown: block });
    else throw new Error(`${page}:${block.line} shows the output of no command: ${whole}`);
  }
  return blocks;
}

/**
 * Whether a command's output matches the page; `…` and `<a name>` match anything. In a block marked `text sample`, numbers, times, bars and
 * states may differ.
 */
export function isShown({ code, file }: Block, output: string): boolean {
  const text = (whole: string) => (file === "sample" ? structureOf(whole.split("\n")).join("\n") : whole);
  const parts = text(code)
    .trim()
    .split(/…|<[^<>\n]+>/)
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("[\\s\\S]*")}$`).test(text(output).trim());
}

/** Relative links of a page, by their paths from the package's root. */
export async function linksOf(page: string): Promise<string[]> {
  const targets = [...(await textOf(page)).matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, target = ""]) => target);
  return targets.map((target) => path.join(path.dirname(page), target));
}
