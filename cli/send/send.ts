import path from "node:path";
import { nowMs } from "#platform/lifecycle/time.js";
import type { Env } from "#platform/process/config.js";
import { asTyped } from "../as-typed.js";
import { type Connection, type ConnectionOptions, findConnection } from "../connection/connection.js";
import { UserError } from "../connection/failure.js";
import { onSignals } from "../signals.js";
import { type Checkpoint, isAbout, loadCheckpoint, removeCheckpoint, settingsDigest } from "./checkpoint.js";
import { isAttribute, type Mapping } from "./event.js";
import { type ProgressState, showProgress } from "./progress.js";
import { type Format, type Input, openInput, type Read, readRows, sizeOf } from "./rows.js";
import { sendRows } from "./run.js";
import { describeTally, rowsOf, type Tally } from "./tally.js";

export interface SendOptions extends ConnectionOptions {
  readonly format?: Format;
  readonly map?: string;
  readonly type?: string;
  readonly source?: string;
  readonly subject?: string;
  readonly name?: string;
  readonly concurrency?: string;
  readonly giveUpAfter?: string;
  readonly checkpoint?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/**
 * `metrly send [file]`. Exit code 0: every row was accepted or is a duplicate; 1: a row was rejected, or the command
 * failed; 130: interrupted. The same command resumes where it stopped.
 */
export async function sendUsage(file: string | undefined, options: SendOptions, env: Env): Promise<void> {
  // Written as a member, dependency-cruiser takes it for an import.
  const isImport = Reflect.get(options, "import") === true;
  const source = isFile(file) ? file : undefined;
  const mapping = mappingOf(source, options);
  const concurrency = wholeNumber("--concurrency", options.concurrency, 4, 1, 32);
  const giveUpAfterMs = wholeNumber("--give-up-after", options.giveUpAfter, 300, 1, 86_400) * 1000;
  if (source !== undefined) await sizeOf(source);
  if (options.dryRun !== true && !(options.token ?? env.METRLY_TOKEN)) throw new UserError(sendingNeeds(isImport));
  const input = await openInput(source, options.format);
  const connection = options.dryRun === true ? undefined : await findConnection(options, env);
  const checkpoint =
    connection && source !== undefined
      ? checkpointOf(source, { ...options, isImport }, input, mapping, connection)
      : undefined;
  const resume = checkpoint && (await findResume(checkpoint, source, input, mapping));
  const interrupted = onInterrupt();
  interrupted.signal.addEventListener("abort", input.end);
  const resumedRows = resume?.rows ?? 0;
  const counts = { rows: resumedRows, rowsRead: 0 };
  const progress = showProgress(process.stderr, progressOf(input, counts, resumedRows));
  let tally: Tally;
  try {
    tally = await sendRows({
      rows: counted(readRows(input, mapping.names.values()), counts),
      mapping,
      concurrency,
      post: connection && {
        connection,
        isImport,
        giveUpAfterMs,
        onRetry: sayOnce(giveUpAfterMs),
      },
      checkpoint,
      resume,
      signal: interrupted.signal,
      onAnswered: (sum) => {
        counts.rows = rowsOf(sum);
      },
    });
  } finally {
    progress.stop();
    interrupted.forget();
    input.end();
  }
  const verb = options.dryRun === true ? "valid" : "accepted";
  process.stdout.write(options.json ? `${JSON.stringify(tally)}\n` : describeTally(tally, verb));
  if (tally.rejected > 0) process.exitCode = 1;
  if (!interrupted.signal.aborted) {
    if (checkpoint !== undefined) await removeCheckpoint(checkpoint.file);
    return;
  }
  process.exitCode = 130;
  const again = checkpoint === undefined ? "sends all again" : "resumes";
  process.stderr.write(`Interrupted. The same command ${again}; rows sent already are not counted twice.\n`);
}

/** What is missing where there is no key, or a wrong one. */
export const sendingNeeds = (isImport = false): string => {
  const scope = isImport ? "ADMIN" : "INGEST";
  const command = asTyped(`api-keys issue --tenant ID --scopes ${scope.toLowerCase()}`);
  return `Sending needs an API key with the scope ${scope}, in METRLY_TOKEN or --token. Issue one: ${command}`;
};

const isFile = (file: string | undefined): file is string => file !== undefined && file !== "-";

/** The first reason alone: a wait may have hundreds. */
function sayOnce(giveUpAfterMs: number): (reason: string) => void {
  let isSaid = false;
  return (reason) => {
    if (!isSaid) process.stderr.write(`Trying again for up to ${giveUpAfterMs / 1000} s: ${reason}\n`);
    isSaid = true;
  };
}

/** The first Ctrl-C or SIGTERM waits for batches in flight; the second terminates at once. */
function onInterrupt(): { readonly signal: AbortSignal; forget(): void } {
  const controller = new AbortController();
  const forget = onSignals(["SIGINT", "SIGTERM"], () => controller.abort(), { once: true });
  return { signal: controller.signal, forget };
}

function checkpointOf(
  file: string,
  options: Pick<SendOptions, "checkpoint"> & { readonly isImport: boolean },
  input: Input,
  mapping: Mapping,
  { url }: Connection,
) {
  const { names, defaults, name } = mapping;
  // What was refused as too old is sent again as an import.
  const own = options.isImport ? ["import"] : [];
  const settings = settingsDigest([url, input.format, [...names], defaults, name, ...own]);
  return { file: options.checkpoint ?? `${file}.metrly-send`, settings };
}

/** Reads the rows before the checkpoint again: a changed file is sent from its beginning, which ids make safe. */
async function findResume(
  checkpoint: { readonly file: string; readonly settings: string },
  file: string | undefined,
  { format }: Input,
  mapping: Mapping,
): Promise<Checkpoint | undefined> {
  const found = await loadCheckpoint(checkpoint.file, checkpoint.settings);
  if (found === undefined) return undefined;
  const again = await openInput(file, format);
  const same = await isAbout(readRows(again, mapping.names.values()), found);
  again.end();
  process.stderr.write(
    same ? `Resuming after ${found.rows} rows sent before.\n` : "The input changed: sending everything again.\n",
  );
  return same ? found : undefined;
}

async function* counted(rows: AsyncIterable<Read>, counts: { rowsRead: number }): AsyncGenerator<Read> {
  for await (const row of rows) {
    counts.rowsRead += 1;
    yield row;
  }
}

function progressOf(
  input: Input,
  counts: Pick<ProgressState, "rows" | "rowsRead">,
  resumedRows: number,
): () => ProgressState {
  const startedAt = nowMs();
  return () => ({
    ...counts,
    resumedRows,
    bytes: input.bytesRead(),
    totalBytes: input.totalBytes,
    elapsedMs: nowMs() - startedAt,
  });
}

/** `id=col,time=col,tokens=col`: attributes and members of `data` with their names in the input. */
function mappingOf(file: string | undefined, options: SendOptions): Mapping {
  const names = new Map<string, string>();
  for (const pair of options.map?.split(",") ?? []) {
    const at = pair.indexOf("=");
    const [target, name] = [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
    if (at < 1 || target === "" || name === "") throw new UserError(`--map: "${pair}" is not name=column.`);
    const plain = target.startsWith("data.") ? target.slice("data.".length) : target;
    if (plain !== target && isAttribute(plain))
      throw new UserError(`--map: "${target}" is ambiguous with the attribute ${plain}.`);
    names.set(plain, name);
  }
  const { type, source, subject } = options;
  const defaults = {
    ...(type !== undefined && { type }),
    ...(source !== undefined && { source }),
    ...(subject !== undefined && { subject }),
  };
  return { names, defaults, name: options.name ?? (file === undefined ? "-" : path.basename(file)) };
}

function wholeNumber(flag: string, text: string | undefined, fallback: number, min: number, max: number): number {
  const value = text === undefined ? fallback : Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new UserError(`${flag} must be a whole number from ${min} to ${max}, not "${text}".`);
}
