import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { packageRoot } from "#platform/process/package-root.js";
import { RUN_DIR_VARIABLE } from "../../servers/run-dir.js";

/** The start command in the last stage of the Dockerfile. */
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

/**
 * The image's programs and files, as this machine has them after `npm run build`: only the files that the Dockerfile copies.
 */
export function onThisMachine(word: string): string {
  if (word === "node") return process.execPath;
  return word.startsWith("dist/") ? path.join(imageRoot(), word) : word;
}

let root: string | undefined;

/** A folder with the files that the Dockerfile's last stage copies from its first. */
function imageRoot(): string {
  if (root !== undefined) return root;
  const text = readFileSync(path.join(packageRoot(), "Dockerfile"), "utf8");
  const copied = [...text.matchAll(/^COPY --from=build \/app\/(\S+) \.\/(\S*)$/gm)];
  if (copied.length === 0) throw new Error("the Dockerfile copies nothing into its last stage");
  const dir = mkdtempSync(path.join(process.env[RUN_DIR_VARIABLE] || tmpdir(), "metrly-image-"));
  for (const [, from = "", to = ""] of copied) {
    const [source, target] = [path.join(packageRoot(), from), path.join(dir, to === "" ? path.basename(from) : to)];
    // Too large to copy, and identical in the image except for development dependencies.
    if (from === "node_modules") symlinkSync(source, target);
    else cpSync(source, target, { recursive: true });
  }
  process.once("exit", () => rmSync(dir, { recursive: true, force: true }));
  root = dir;
  return dir;
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
