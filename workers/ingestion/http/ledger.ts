import type { FastifyInstance, FastifyRequest } from "fastify";
import { MAX_INSTANT_MS } from "#kernel/duration.js";
import { MetrlyError } from "#kernel/errors.js";
import type { IdentityTokens } from "#platform/auth/identity.js";
import { operatorIdentity, serviceIdentity } from "#platform/auth/internal-api.js";
import type { Database } from "#platform/database/database.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import { LEDGER_BLOCKS, type LedgerPart, ledgerBlocks } from "#platform/ledger/blocks.js";
import {
  LEDGER_AUDIENCE,
  LEDGER_PAGE_LIMIT,
  LEDGER_PATH,
  type LedgerQuery,
  REPUBLISH_PATH,
} from "#platform/ledger/client.js";
import { storedEntryOf } from "#schema/events/ledger-block.v1.js";
import { toStored } from "#schema/events/usage-recorded.v1.js";
import { republish } from "../recorder/republish.js";
import { type BlockPage, readLedger, readLedgerBlocks } from "../store/ledger.js";
import { entriesOf, type StoredBlock, stampOf } from "../store/ledger-block.js";

export interface LedgerRouteOptions {
  readonly database: Database;
  readonly identityTokens: IdentityTokens;
  readonly partitionCount: number;
  readonly log: Pick<EventLog, "append">;
}

/** The internal ledger API (called by `platform/ledger/client.ts`): for services only, never for clients. */
export function registerLedgerRoutes(app: FastifyInstance, options: LedgerRouteOptions): void {
  app.post(REPUBLISH_PATH, async (request, reply) => {
    await operatorIdentity(options.identityTokens, request.headers, LEDGER_AUDIENCE);
    const { searchParams } = new URL(request.url, "http://localhost");
    const partition = integer(searchParams, "partition", 0, options.partitionCount - 1);
    const from = integer(searchParams, "from", 1, Number.MAX_SAFE_INTEGER);
    const to = integer(searchParams, "to", from, Number.MAX_SAFE_INTEGER);
    return reply.send(await republish(options, partition, from, to));
  });

  app.get(LEDGER_PATH, async (request, reply) => {
    await serviceIdentity(options.identityTokens, request.headers, LEDGER_AUDIENCE);
    const query = readQuery(request, options.partitionCount);
    if (query.tenantId !== undefined) {
      const { entries, ...rest } = await readLedger(options.database, query);
      return reply.send({ entries: entries.map(toStored), ...rest });
    }
    const page = await readLedgerBlocks(options.database, query);
    if (request.headers.accept !== LEDGER_BLOCKS) return reply.type("application/json").send(blocksText(page));
    return reply.type(LEDGER_BLOCKS).send(ledgerBlocks({ ...page, blocks: page.blocks.map(textOrColumns) }));
  });
}

/** Sends blocks as stored: decoding and encoding each entry would be most of the work. Blocks in columns become text. */
function blocksText({ blocks, nextSeq, headSeq }: BlockPage): string {
  const texts = blocks.map((block) => `{"stamp":${JSON.stringify(stampOf(block))},"entries":${entriesText(block)}}`);
  return `{"nextSeq":${nextSeq},"headSeq":${headSeq},"blocks":[${texts.join(",")}]}`;
}

const entriesText = (block: StoredBlock): string =>
  block.packed === null ? block.entries : JSON.stringify(entriesOf(block).map(storedEntryOf));

const textOrColumns = (block: StoredBlock): LedgerPart =>
  block.packed === null ? { stamp: stampOf(block), entries: block.entries } : { columns: block.packed };

function readQuery(request: FastifyRequest, partitionCount: number): LedgerQuery {
  const { searchParams } = new URL(request.url, "http://localhost");
  const tenantId = searchParams.get("tenantId");
  return {
    partition: integer(searchParams, "partition", 0, partitionCount - 1),
    from: integer(searchParams, "from", 1, Number.MAX_SAFE_INTEGER),
    limit: integer(searchParams, "limit", 1, LEDGER_PAGE_LIMIT),
    ...(tenantId !== null && { tenantId }),
    ...instant(searchParams, "ticksFrom"),
    ...instant(searchParams, "eventsFrom"),
  };
}

function instant<Name extends string>(params: URLSearchParams, name: Name): Partial<Record<Name, number>>;
function instant(params: URLSearchParams, name: string): Record<string, number> {
  return params.has(name) ? { [name]: integer(params, name, -MAX_INSTANT_MS, MAX_INSTANT_MS) } : {};
}

function integer(params: URLSearchParams, name: string, min: number, max: number): number {
  const text = params.get(name);
  const value = text === null || text === "" ? Number.NaN : Number(text);
  if (!Number.isInteger(value) || value < min || value > max)
    throw new MetrlyError("INVALID", `${name}: must be a whole number from ${min} to ${max}`);
  return value;
}
