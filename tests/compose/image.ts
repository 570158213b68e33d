import { readFile } from "node:fs/promises";
import path from "node:path";
import { packageRoot } from "#platform/package-root.js";

/** What the last stage of the Dockerfile says about starting it. */
export interface Image {
  readonly entrypoint: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export async function readImage(): Promise<Image> {
  const text = await readFile(path.join(packageRoot(), "Dockerfile"), "utf8");
  const stage = text.slice(text.lastIndexOf("\nFROM "));
  const entrypoint: unknown = JSON.parse(/^ENTRYPOINT (.*)$/m.exec(stage)?.[1] ?? "null");
  if (!isTexts(entrypoint)) throw new Error("the Dockerfile has no ENTRYPOINT as a list");
  const env = [...stage.matchAll(/^ENV (\w+)=(\S*)$/gm)].map(([, name = "", value = ""]) => [name, value]);
  return { entrypoint, env: Object.fromEntries(env) };
}

/** The image's programs and files, as this machine has them after `npm run build`. */
export function onThisMachine(word: string): string {
  if (word === "node") return process.execPath;
  return word.startsWith("dist/") ? path.join(packageRoot(), word) : word;
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
