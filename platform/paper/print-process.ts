import { fork } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { type ErrorCode, MetrlyError } from "#kernel/errors.js";
import { timeoutSignal } from "#platform/lifecycle/time.js";
import type { Printed, PrintFormat, StoredInvoice } from "./print.js";

/** What the process answers; `bug` is the stack of an error. */
export type PrintAnswer =
  | { readonly printed: Printed }
  | { readonly refused: { readonly code: ErrorCode; readonly message: string } }
  | { readonly bug: string };

export interface PrintLimits {
  /** Of a process that hangs. Long: what is printed takes seconds of processor time, which a busy machine may give slowly. */
  readonly deadlineMs: number;
  readonly memoryMb: number;
}

const LIMITS: PrintLimits = { deadlineMs: 300_000, memoryMb: 256 };

/** Sources run by a loader of TypeScript. */
const isSource = import.meta.url.endsWith(".ts");
const PROGRAM = new URL(`./print-child${isSource ? ".ts" : ".js"}`, import.meta.url);
const LOADER = isSource ? ["--import", "tsx"] : [];

/**
 * `printInvoice` in a process of its own, with bounded memory and without secrets, while this process answers others. Throws
 * TOO_LARGE if it takes more memory than it may, and UNAVAILABLE if it ends otherwise without an answer or `signal` aborts.
 */
export async function printInProcess(
  invoice: StoredInvoice,
  format: PrintFormat,
  signal: AbortSignal,
  { deadlineMs, memoryMb }: PrintLimits = LIMITS,
): Promise<Printed> {
  const child = fork(PROGRAM, {
    execArgv: [...LOADER, `--max-old-space-size=${memoryMb}`],
    serialization: "advanced",
    stdio: ["ignore", "ignore", "ignore", "ipc"],
    env: {},
  });
  const ended = new AbortController();
  child.on("exit", (code, by) => ended.abort(isOutOfMemory(code, by) ? tooLarge(memoryMb) : unavailable()));
  child.on("error", () => ended.abort(unavailable()));
  const until = AbortSignal.any([signal, timeoutSignal(deadlineMs), ended.signal]);
  try {
    // Without a channel where no descriptors are left.
    if (child.send === undefined) throw unavailable();
    child.send({ invoice, format });
    const [answer]: PrintAnswer[] = await once(child, "message", { signal: until });
    if (answer === undefined) throw unavailable();
    if ("printed" in answer) return answer.printed;
    if ("refused" in answer) throw new MetrlyError(answer.refused.code, answer.refused.message);
    throw new Error(`an invoice was not printed: ${answer.bug}`);
  } catch (error) {
    if (!until.aborted) throw error;
    throw until.reason instanceof MetrlyError ? until.reason : unavailable();
  } finally {
    child.kill("SIGKILL");
  }
}

/** Node aborts when its heap is full; below a shell that is a status. */
const isOutOfMemory = (code: number | null, signal: NodeJS.Signals | null): boolean =>
  signal === "SIGABRT" || code === 128 + constants.signals.SIGABRT;

const tooLarge = (memoryMb: number): MetrlyError =>
  new MetrlyError(
    "TOO_LARGE",
    `Printing the invoice takes more than ${memoryMb} MiB. Print its page instead of a PDF, or use the command line: invoices export`,
  );

const unavailable = (): MetrlyError =>
  new MetrlyError(
    "UNAVAILABLE",
    "The invoice cannot be printed here now; try again, or use the command line: invoices export",
  );
