import { nowMs } from "#platform/lifecycle/time.js";
import { type Checkpoint, createDigest, saveCheckpoint } from "./checkpoint.js";
import { buildEvent, type Mapping } from "./event.js";
import { type EventResult, type PostOptions, postBatch } from "./post.js";
import type { Read } from "./rows.js";
import { addTallies, EMPTY_TALLY, type Tally } from "./tally.js";

export interface Run {
  readonly rows: AsyncIterable<Read>;
  readonly mapping: Mapping;
  readonly concurrency: number;
  /** Undefined: only validates. */
  readonly post: Omit<PostOptions, "signal"> | undefined;
  readonly checkpoint: { readonly file: string; readonly settings: string } | undefined;
  /** The tally of an earlier run of the same rows. */
  readonly resume: Checkpoint | undefined;
  readonly signal: AbortSignal;
  onAnswered(tally: Tally): void;
}

const BATCH_EVENTS = 500;
/** Below the edge's limit of 1 MiB, commas and brackets included. */
const BATCH_BYTES = 1_000_000;
const SAVE_EVERY_MS = 200;

/** A batch: the events to send, the invalid rows, and the input position after them. */
interface Batch {
  readonly order: number;
  readonly events: readonly { readonly line: number; readonly json: string }[];
  /** Rows that are not events. */
  readonly invalid: Tally;
  /** Rows of the input up to the end of this batch, and their digest. */
  readonly rows: number;
  readonly digest: string;
}

/**
 * Sends every row, several batches concurrently, and checkpoints the position up to which all rows are answered. Resolves
 * with the tally of the whole input, including an earlier run; early when interrupted, once batches in flight are
 * answered. Throws the error of a batch after the others ended.
 */
export async function sendRows(run: Run): Promise<Tally> {
  const failed = new AbortController();
  const signal = AbortSignal.any([run.signal, failed.signal]);
  const batches = batchesOf(run, signal);
  const answered = trackAnswers(run);
  async function work(): Promise<void> {
    for (let next = await batches.next(); next.done !== true; next = await batches.next()) {
      const batch = next.value;
      const results = run.post ? await postBatch(jsonOf(batch), { ...run.post, signal }) : undefined;
      await answered.add(batch, addTallies(batch.invalid, tallyOf(batch, results)));
    }
  }
  const working = Array.from({ length: run.concurrency }, () =>
    work().catch((error: unknown) => {
      failed.abort();
      throw error;
    }),
  );
  const ended = await Promise.allSettled(working);
  await answered.save();
  const reasons = ended.flatMap((worker) => (worker.status === "rejected" ? [worker.reason] : []));
  const [reason] = reasons.filter((one) => one !== signal.reason && one?.name !== "AbortError");
  if (reason !== undefined) throw reason;
  return answered.tally();
}

const jsonOf = ({ events }: Batch): string[] => events.map(({ json }) => json);

async function* batchesOf(run: Run, signal: AbortSignal): AsyncGenerator<Batch> {
  const skip = run.resume?.rows ?? 0;
  const digest = createDigest();
  let [rows, order, bytes] = [0, 0, 0];
  let events: { line: number; json: string }[] = [];
  let invalid = EMPTY_TALLY;
  const cut = (): Batch => {
    const batch = { order, events, invalid, rows, digest: digest.at() };
    [events, invalid, bytes, order] = [[], EMPTY_TALLY, 0, order + 1];
    return batch;
  };
  for await (const read of run.rows) {
    if (signal.aborted) return;
    const built = rows < skip ? undefined : builtOf(read, run.mapping);
    const size = built?.kind === "event" ? Buffer.byteLength(built.json) + 1 : 0;
    if (bytes + size > BATCH_BYTES) yield cut();
    digest.add(read.row.text);
    rows += 1;
    if (built === undefined) continue;
    if (built.kind === "event") events.push(built);
    else invalid = addTallies(invalid, rejection(built.line, built.reason));
    bytes += size;
    if (events.length + invalid.rejected >= BATCH_EVENTS) yield cut();
  }
  if (events.length + invalid.rejected > 0) yield cut();
}

const builtOf = (read: Read, mapping: Mapping) =>
  read.problem === undefined
    ? buildEvent(read.row, mapping)
    : { kind: "invalid" as const, line: read.row.line, reason: read.problem };

const rejection = (line: number, reason: string): Tally => ({
  ...EMPTY_TALLY,
  rejected: 1,
  reasons: [{ line, reason }],
});

/** Undefined results: a dry run, all valid events count as accepted. */
function tallyOf({ events }: Batch, results: readonly EventResult[] | undefined): Tally {
  if (results === undefined) return { ...EMPTY_TALLY, accepted: events.length };
  let [accepted, duplicates] = [0, 0];
  const reasons: { line: number; reason: string }[] = [];
  let unmetered: Tally["unmetered"] = [];
  for (const [index, { status, code, detail, unmetered: isUnmetered }] of results.entries()) {
    if (isUnmetered === true) unmetered = withType(unmetered, events[index]?.json);
    if (status === "accepted") accepted += 1;
    else if (status === "duplicate") duplicates += 1;
    else reasons.push({ line: events[index]?.line ?? 0, reason: [code, detail].filter(Boolean).join(": ") });
  }
  return addTallies(EMPTY_TALLY, { accepted, duplicates, rejected: reasons.length, reasons, unmetered });
}

function withType(unmetered: Tally["unmetered"], json = "{}"): Tally["unmetered"] {
  const type = String(JSON.parse(json).type);
  const known = unmetered.find((one) => one.type === type);
  if (known === undefined) return [...unmetered, { type, count: 1 }];
  return unmetered.map((one) => (one === known ? { type, count: one.count + 1 } : one));
}

/** Batches complete in any order; the checkpoint is the position up to which all are complete. */
function trackAnswers({ resume, checkpoint, onAnswered }: Run) {
  const waiting = new Map<number, { batch: Batch; tally: Tally }>();
  let total = resume?.tally ?? EMPTY_TALLY;
  let through: Omit<Checkpoint, "settings"> = resume ?? {
    rows: 0,
    digest: "",
    tally: { ...EMPTY_TALLY, reasons: [], unmetered: [] },
  };
  let next = 0;
  let savedAt = nowMs();
  let saving: Promise<void> = Promise.resolve();

  async function save(): Promise<void> {
    if (checkpoint === undefined || through.rows === 0) return;
    savedAt = nowMs();
    const { file, settings } = checkpoint;
    saving = saving.then(() => saveCheckpoint(file, { ...through, settings }));
    await saving;
  }

  return {
    save,
    tally: () => total,
    async add(batch: Batch, tally: Tally): Promise<void> {
      total = addTallies(total, tally);
      onAnswered(total);
      waiting.set(batch.order, { batch, tally });
      for (let done = waiting.get(next); done !== undefined; done = waiting.get(next)) {
        waiting.delete(next);
        next += 1;
        const sum = addTallies(through.tally, done.tally);
        through = {
          rows: done.batch.rows,
          digest: done.batch.digest,
          tally: { ...sum, reasons: [...sum.reasons], unmetered: [...sum.unmetered] },
        };
      }
      if (nowMs() - savedAt >= SAVE_EVERY_MS) await save();
    },
  };
}
