import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { hasCode } from "#kernel/errors.js";
import { ONCE_DIR_VARIABLE, RUN_DIR_VARIABLE } from "./run-dir.js";

const made = new Map<string, Promise<string>>();

/**
 * Makes something that all files of a call of vitest share, such as the build: the first process that asks does the work, the
 * others wait, and a failure fails all. Resolves with the folder that `work` filled; others must not change it.
 */
export function once(name: string, work: (folder: string) => Promise<void>): Promise<string> {
  const folder = made.get(name) ?? makeOnce(name, work);
  made.set(name, folder);
  return folder;
}

async function makeOnce(name: string, work: (folder: string) => Promise<void>): Promise<string> {
  const folder = path.join(sharedFolder(), name);
  const [done, failed] = [`${folder}.done`, `${folder}.failed`];
  if (isFirst(folder)) {
    try {
      await work(folder);
      await writeFile(done, "");
    } catch (error) {
      await writeFile(failed, String(error));
      throw error;
    }
    return folder;
  }
  while (!existsSync(done)) {
    if (existsSync(failed)) throw new Error(await readFile(failed, "utf8"));
    await wait(50);
  }
  return folder;
}

function sharedFolder(): string {
  const runDir = process.env[RUN_DIR_VARIABLE];
  if (runDir !== undefined) return path.join(runDir, "once");
  return process.env[ONCE_DIR_VARIABLE] ?? ownFolder();
}

/** Of a process without vitest, such as a benchmark. */
function ownFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "metrly-once-"));
  process.env[ONCE_DIR_VARIABLE] = folder;
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function isFirst(folder: string): boolean {
  mkdirSync(path.dirname(folder), { recursive: true });
  try {
    mkdirSync(folder);
    return true;
  } catch (error) {
    if (hasCode(error, "EEXIST")) return false;
    throw error;
  }
}
