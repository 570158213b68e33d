import { isJsonObject } from "#kernel/json.js";
import { LEDGER_AUDIENCE, REPUBLISH_PATH } from "#platform/ledger/client.js";
import type { Env } from "#platform/process/config.js";
import { UserError } from "./connection/failure.js";
import { connectToService } from "./connection/internal.js";

export interface RepublishRange {
  readonly partition: string;
  readonly from: string;
  readonly to: string;
  readonly url?: string;
}

/**
 * `metrly ledger republish`: asks ingestion, piece by piece, to publish a range of a partition's ledger to
 * usage.recorded again. It authenticates with the installation's internal secret: run it where the services run.
 */
export async function republishLedger(options: RepublishRange, env: Env): Promise<void> {
  const [partition, from, to] = (["partition", "from", "to"] as const).map((name) => whole(name, options[name]));
  if (partition === undefined || from === undefined || to === undefined || from < 1 || to < from)
    throw new UserError("--from must be at least 1, and --to not less.");
  const ingestion = await connectToService(LEDGER_AUDIENCE, options.url, env);
  let entries = 0;
  for (let next = from; next <= to; ) {
    const piece = pieceOf(await (await ingestion.post(REPUBLISH_PATH, { partition, from: next, to })).json());
    entries += piece.entries;
    next = piece.nextSeq;
  }
  process.stdout.write(`${entries} entries of partition ${partition} were published to usage.recorded again\n`);
}

function whole(name: string, text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new UserError(`--${name} must be a whole number, not "${text}".`);
  return Number(text);
}

function pieceOf(answer: unknown): { readonly entries: number; readonly nextSeq: number } {
  const { entries, nextSeq } = isJsonObject(answer) ? answer : {};
  if (typeof entries !== "number" || typeof nextSeq !== "number")
    throw new UserError("The response is not from Metrly's ingestion.");
  return { entries, nextSeq };
}
