import { Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { MetrlyError } from "#kernel/errors.js";
import { type IdentityTokens, serviceIdentity } from "#platform/auth/identity.js";
import { IDENTITY_HEADER } from "#platform/auth/internal-api.js";
import { timeoutSignal } from "#platform/lifecycle/time.js";
import { storedEntries } from "#schema/events/ledger-block.v1.js";
import { type LedgerEntry, readEntries } from "#schema/events/usage-recorded.v1.js";
import { LEDGER_BLOCKS, parseLedgerBlocks } from "./blocks.js";

export interface LedgerPage {
  /**
   * Contiguous from the requested `from`, or from where `eventsFrom` says; empty when the ledger ends before it. With a tenant filter only that tenant's
   * entries, at most `limit`; without one up to the end of the stored block with the `limit`th entry.
   */
  readonly entries: readonly LedgerEntry[];
  /** The start of the next page. */
  readonly nextSeq: number;
  /** The partition's last recorded `seq` when the page was read; 0: none yet. */
  readonly headSeq: number;
}

export interface LedgerQuery {
  readonly partition: number;
  /** First `seq`; the ledger starts at 1. */
  readonly from: number;
  readonly limit: number;
  /** Only entries of this tenant, and those for all tenants (ticks, backfills). */
  readonly tenantId?: string;
  /**
   * With a tenant: skips ticks whose `at` is earlier, epoch ms. A reader that needs the first tick at or after a moment need
   * not read the hundreds of thousands before it.
   */
  readonly ticksFrom?: number;
  /**
   * Skips entries before the first event whose own time is at or after this moment, epoch ms, and may return some of them.
   * Events of test tenants count as earlier ones.
   */
  readonly eventsFrom?: number;
}

/**
 * Reads the ledger through ingestion's internal API: downstream services use it to fill gaps, rebuild and verify. Throws UNAVAILABLE
 * for an answer that a later read may not get, and an internal error with the status for a read that is refused.
 */
export interface LedgerClient {
  read(query: LedgerQuery): Promise<LedgerPage>;
}

export const LEDGER_PATH = "/internal/ledger";
/** `POST` with partition, from and to: publishes a range of the ledger to usage.recorded again; for operators. */
export const REPUBLISH_PATH = "/internal/republish";
export const LEDGER_AUDIENCE = "ingestion";
/** Maximum entries of one page. */
export const LEDGER_PAGE_LIMIT = 10_000;

const TIMEOUT_MS = 15_000;

/** `baseUrl` is read at each call: in `all` mode the port is known only when the server listens. */
export function createLedgerClient(baseUrl: () => string, tokens: IdentityTokens, service: string): LedgerClient {
  return {
    async read(query) {
      const url = new URL(LEDGER_PATH, baseUrl());
      for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value));
      const token = await tokens.sign(serviceIdentity(service), LEDGER_AUDIENCE);
      const response = await fetch(url, {
        headers: { [IDENTITY_HEADER]: token, ...(query.tenantId === undefined && { accept: LEDGER_BLOCKS }) },
        signal: timeoutSignal(TIMEOUT_MS),
      });
      if (!response.ok) {
        await response.body?.cancel();
        throw failureOf(response.status);
      }
      // Ingestion of before columns answers in JSON.
      if (response.headers.get("content-type") !== LEDGER_BLOCKS) return parsePage(await response.json(), query.from);
      return within(query.from, parseLedgerBlocks(Buffer.from(await response.arrayBuffer())));
    },
  };
}

/** Of a client's errors, those that pass by themselves: also 401, while clocks or a new secret's processes differ. */
const PASSING: ReadonlySet<number> = new Set([401, 408, 429]);

const failureOf = (status: number): Error =>
  status >= 500 || PASSING.has(status)
    ? new MetrlyError("UNAVAILABLE", `the ledger answered ${status}`)
    : new Error(`the ledger refused a read with status ${status}`);

function parsePage(body: unknown, from: number): LedgerPage {
  if (!page.Check(body)) throw new TypeError("a ledger page needs nextSeq, headSeq and entries or blocks");
  const { nextSeq, headSeq } = body;
  if ("blocks" in body) {
    const entries = body.blocks.flatMap((block) => storedEntries(block.stamp, block.entries));
    return within(from, { entries, nextSeq, headSeq });
  }
  if (body.entries.length === 0) return { entries: [], nextSeq, headSeq };
  const record = { partition: 0, firstSeq: 1, lastSeq: Math.max(1, nextSeq - 1), entries: body.entries };
  return { entries: readEntries(record), nextSeq, headSeq };
}

/** Blocks begin before the page and end after it. */
function within(from: number, { entries, nextSeq, headSeq }: LedgerPage): LedgerPage {
  const isWhole = entries[0]?.seq === from && entries.at(-1)?.seq === nextSeq - 1;
  return {
    entries: isWhole ? entries : entries.filter(({ seq }) => from <= seq && seq < nextSeq),
    ...{ nextSeq, headSeq },
  };
}

const Bounds = Type.Object({ nextSeq: Type.Integer(), headSeq: Type.Integer() });
const Stamp = Type.Object({ firstSeq: Type.Integer(), recordedAt: Type.Integer(), tenancyVersion: Type.Integer() });
const Blocks = Type.Object({ blocks: Type.Array(Type.Object({ stamp: Stamp, entries: Type.Unknown() })) });
const Entries = Type.Object({ entries: Type.Array(Type.Unknown()) });
const page = TypeCompiler.Compile(Type.Union([Type.Intersect([Bounds, Blocks]), Type.Intersect([Bounds, Entries])]));
