import { Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { readRecordedColumns } from "#schema/columns/recorded.js";
import { type StoredStamp, storedEntries } from "#schema/events/ledger-block.v1.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";

/** The media type of a page of blocks as the ledger has them: a client that asks for it reads every encoding of this build. */
export const LEDGER_BLOCKS = "application/vnd.metrly.ledger-blocks";

/** A block: its text and what the text lacks, or its columns. */
export type LedgerPart = { readonly stamp: StoredStamp; readonly entries: string } | { readonly columns: Buffer };

export interface LedgerParts {
  readonly nextSeq: number;
  readonly headSeq: number;
  readonly blocks: readonly LedgerPart[];
}

const LENGTH_BYTES = 4;

/** A page: the bytes of its head (4, big-endian), the head as JSON, and the blocks one after the other, of the bytes that it says. */
export function ledgerBlocks({ nextSeq, headSeq, blocks }: LedgerParts): Buffer {
  const bodies = blocks.map((block) => ("columns" in block ? block.columns : Buffer.from(block.entries)));
  const heads = blocks.map((block, index) => {
    const bytes = bodies[index]?.length ?? 0;
    return "columns" in block ? { bytes } : { bytes, stamp: block.stamp };
  });
  const head = Buffer.from(JSON.stringify({ nextSeq, headSeq, blocks: heads }));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(head.length);
  return Buffer.concat([length, head, ...bodies]);
}

/** The entries of a page that `ledgerBlocks` made. Throws TypeError for another body, and as the readers of blocks do. */
export function parseLedgerBlocks(body: Buffer): {
  readonly nextSeq: number;
  readonly headSeq: number;
  readonly entries: readonly LedgerEntry[];
} {
  const headBytes = body.length < LENGTH_BYTES ? body.length : body.readUInt32BE();
  let at = LENGTH_BYTES + headBytes;
  if (at > body.length) throw new TypeError("a page of blocks is truncated");
  const head: unknown = JSON.parse(body.toString("utf8", LENGTH_BYTES, at));
  if (!page.Check(head)) throw new TypeError("a page of blocks needs nextSeq, headSeq and blocks");
  const entries: LedgerEntry[] = [];
  for (const { bytes, stamp } of head.blocks) {
    if (at + bytes > body.length) throw new TypeError("a page of blocks is truncated");
    const block = body.subarray(at, at + bytes);
    at += bytes;
    const own =
      stamp === undefined
        ? readRecordedColumns(block).entries
        : storedEntries(stamp, JSON.parse(block.toString("utf8")));
    // A page of ticks has thousands of blocks: joining lists would copy all before, each time.
    for (const entry of own) entries.push(entry);
  }
  if (at !== body.length) throw new TypeError("a page of blocks is longer than its blocks");
  return { nextSeq: head.nextSeq, headSeq: head.headSeq, entries };
}

const Stamp = Type.Object({ firstSeq: Type.Integer(), recordedAt: Type.Integer(), tenancyVersion: Type.Integer() });
const Block = Type.Object({ bytes: Type.Integer({ minimum: 0 }), stamp: Type.Optional(Stamp) });
const Page = Type.Object({ nextSeq: Type.Integer(), headSeq: Type.Integer(), blocks: Type.Array(Block) });
const page = TypeCompiler.Compile(Page);
