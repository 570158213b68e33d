import { execFile } from "node:child_process";
import { promisify } from "node:util";
import chromium from "@sparticuz/chromium";
import { Unavailable } from "./cache.js";
import type { Program } from "./redis.js";

const run = promisify(execFile);

/** The program named by CHROMIUM, or the one from npm (Linux only), unpacked. */
export async function findChromium(): Promise<Program> {
  try {
    const command = process.env.CHROMIUM || (await chromium.executablePath());
    const { stdout } = await run(command, ["--version"]);
    return { command, env: {}, version: /[\d.]+/.exec(stdout)?.[0] ?? "?" };
  } catch (cause) {
    throw new Unavailable("Chromium from npm does not run here: name another one by CHROMIUM", { cause });
  }
}
