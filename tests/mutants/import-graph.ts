import { readdir, readFile } from "node:fs/promises";
import path from "node:path";

const FOLDERS = ["kernel", "schema", "platform", "prisma", "gateway", "workers", "cli", "sdk", "scripts", "tests"];
const NOT_READ = /(^|\/)(node_modules|dist|\.cache|generated)\//;
/** Imports, re-exports, and files that are started as programs. */
const MENTION = /(?:from|import|import\(|new URL\()\s*"((?:\.|#)[^"]+)"/g;

/** Who imports a file, directly or not, of the sources below a folder. */
export async function readImporters(root: string): Promise<(file: string) => ReadonlySet<string>> {
  const importers = new Map<string, string[]>();
  for (const file of await sources(root)) {
    const text = await readFile(path.join(root, file), "utf8");
    for (const [, mentioned = ""] of text.matchAll(MENTION)) {
      const imported = fileOf(mentioned, path.dirname(file));
      importers.set(imported, [...(importers.get(imported) ?? []), file]);
    }
  }
  return (file) => {
    const found = new Set([file]);
    for (const one of found) for (const importer of importers.get(one) ?? []) found.add(importer);
    return found;
  };
}

async function sources(root: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const folder of FOLDERS)
    for (const name of await readdir(path.join(root, folder), { recursive: true })) {
      const file = path.join(folder, name);
      if (file.endsWith(".ts") && !file.endsWith(".d.ts") && !NOT_READ.test(file)) found.push(file);
    }
  return found;
}

/** The source that an import names: `#kernel/json.js` is kernel/json.ts. */
function fileOf(mentioned: string, folder: string): string {
  const file = mentioned.startsWith("#") ? mentioned.slice(1) : path.join(folder, mentioned);
  return file.replace(/\.js$/, ".ts");
}
