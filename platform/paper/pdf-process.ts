import { fork } from "node:child_process";
import { once } from "node:events";
import { MetrlyError } from "#kernel/errors.js";
import { timeoutSignal } from "#platform/lifecycle/time.js";
import type { PaperName } from "./sizes.js";
import type { Paper } from "./words.js";

const DEADLINE_MS = 60_000;
const MEMORY_MB = 256;

/** Sources run by a loader of TypeScript. */
const isSource = import.meta.url.endsWith(".ts");
const PROGRAM = new URL(`./pdf-child${isSource ? ".ts" : ".js"}`, import.meta.url);
const LOADER = isSource ? ["--import", "tsx"] : [];

/**
 * The PDF of an invoice, laid out in a process of its own, with bounded memory and without secrets: it takes tenths of a second, in
 * which this process answers others. Throws UNAVAILABLE if the process ends without one, e.g. since it took too long or too much.
 */
export async function pdfInProcess(paper: Paper, size: PaperName): Promise<Buffer> {
  const child = fork(PROGRAM, {
    execArgv: [...LOADER, `--max-old-space-size=${MEMORY_MB}`],
    serialization: "advanced",
    stdio: ["ignore", "ignore", "ignore", "ipc"],
    env: {},
  });
  const ended = new AbortController();
  child.on("exit", () => ended.abort());
  child.on("error", () => ended.abort());
  try {
    child.send({ paper, size });
    const signal = AbortSignal.any([timeoutSignal(DEADLINE_MS), ended.signal]);
    const [pdf] = await once(child, "message", { signal });
    return Buffer.from(pdf);
  } catch {
    throw new MetrlyError(
      "UNAVAILABLE",
      "The PDF cannot be made here now; try again, or export it with the command line: invoices export --pdf",
    );
  } finally {
    child.kill("SIGKILL");
  }
}
