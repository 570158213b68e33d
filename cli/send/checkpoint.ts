import { createHash } from "node:crypto";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Read } from "./rows.js";

const Reason = Type.Object({ line: Type.Integer(), reason: Type.String() });
const Saved = Type.Object({
  /** Digest of everything that determines the events and their destination. */
  settings: Type.String(),
  /** Every row up to here is answered. */
  rows: Type.Integer({ minimum: 0 }),
  /** SHA-256 over these rows: detects a changed file. */
  digest: Type.String(),
  tally: Type.Object({
    accepted: Type.Integer(),
    duplicates: Type.Integer(),
    rejected: Type.Integer(),
    reasons: Type.Array(Reason),
    unmetered: Type.Array(Type.Object({ type: Type.String(), count: Type.Integer() })),
  }),
});

export type Checkpoint = Static<typeof Saved>;

/** The position of an interrupted run; undefined without a usable checkpoint. */
export async function loadCheckpoint(file: string, settings: string): Promise<Checkpoint | undefined> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const parsed: unknown = JSON.parse(text);
    return Value.Check(Saved, parsed) && parsed.settings === settings ? parsed : undefined;
  } catch {
    // A damaged checkpoint costs only time: everything is sent again, and ids make that safe.
    return undefined;
  }
}

/** Atomic. */
export async function saveCheckpoint(file: string, checkpoint: Checkpoint): Promise<void> {
  await writeFile(`${file}.new`, JSON.stringify(checkpoint));
  await rename(`${file}.new`, file);
}

export const removeCheckpoint = (file: string): Promise<void> => rm(file, { force: true });

/** Digests rows as they are read; `at()` is the digest so far. */
export function createDigest(): { add(text: string): void; at(): string } {
  const hash = createHash("sha256");
  return {
    add(text) {
      hash.update(text).update("\n");
    },
    at: () => hash.copy().digest("base64url"),
  };
}

export const settingsDigest = (settings: unknown): string =>
  createHash("sha256").update(JSON.stringify(settings)).digest("base64url");

/** Whether the input starts with the checkpoint's rows. */
export async function isAbout(rows: AsyncIterable<Read>, checkpoint: Checkpoint): Promise<boolean> {
  const digest = createDigest();
  let seen = 0;
  for await (const { row } of rows) {
    digest.add(row.text);
    seen += 1;
    if (seen === checkpoint.rows) return digest.at() === checkpoint.digest;
  }
  return false;
}
