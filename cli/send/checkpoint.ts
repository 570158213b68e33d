import { createHash } from "node:crypto";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Read } from "./rows.js";

const Reason = Type.Object({ line: Type.Integer(), reason: Type.String() });
const Saved = Type.Object({
  /** Digest of all that decides what the rows become and where they go. */
  settings: Type.String(),
  /** Every row up to here is answered. */
  rows: Type.Integer({ minimum: 0 }),
  /** SHA-256 over these rows: a file that was changed is recognised. */
  digest: Type.String(),
  tally: Type.Object({
    accepted: Type.Integer(),
    duplicates: Type.Integer(),
    rejected: Type.Integer(),
    reasons: Type.Array(Reason),
  }),
});

export type Checkpoint = Static<typeof Saved>;

/** How far an interrupted sending came; undefined when there is nothing that could be used. */
export async function loadCheckpoint(file: string, settings: string): Promise<Checkpoint | undefined> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const parsed: unknown = JSON.parse(text);
    return Value.Check(Saved, parsed) && parsed.settings === settings ? parsed : undefined;
  } catch {
    // A damaged one costs only time: everything is sent again, and ids make that safe.
    return undefined;
  }
}

/** Whole or not at all. */
export async function saveCheckpoint(file: string, checkpoint: Checkpoint): Promise<void> {
  await writeFile(`${file}.new`, JSON.stringify(checkpoint));
  await rename(`${file}.new`, file);
}

export const removeCheckpoint = (file: string): Promise<void> => rm(file, { force: true });

/** Runs along with the rows; `at()` is the digest of those seen so far. */
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

/** Whether the rows begin with the very ones that the checkpoint is about. */
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
