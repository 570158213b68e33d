import { createHash } from "node:crypto";
import type { LedgerClient } from "#platform/ledger/client.js";
import { ledgerPages } from "#platform/ledger/pages.js";
import { nextTurn } from "#platform/lifecycle/time.js";
import { refuseOtherVersion } from "#schema/events/growing.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import { createReplay, type History, type ReplayedInvoice } from "./replay.js";

/** The inputs of a recomputation: the ledger and tenancy's history. */
export interface VerifierSources {
  readonly ledger: LedgerClient;
  readonly tenancy: History & {
    tenant(id: string): TenantState | undefined;
    reached(version: number): Promise<void>;
  };
  readonly partition: number;
  /** See `createTally`. */
  readonly maxBytes?: number;
  /** Ends the recomputation at the next page of the ledger, with its reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface ClaimedInvoice {
  readonly tenantId: string;
  readonly ordinal: number;
  readonly sha256: string;
  readonly document: string;
  /** What is stored and shown beside the document, with the document's names. */
  readonly shown?: Readonly<Record<string, unknown>>;
}

const PAGE = 5_000;
const MAX_DIFFERENCES = 50;
/** Readings of meters in one turn of the event loop, about a millisecond: others' requests go between them. */
const READINGS_PER_TURN = 100;

/**
 * Recomputes an invoice from the tenant's whole ledger, with independent code from the first event to the hash, and compares.
 * Earlier invoices are recomputed too: the hash chain and every adjustment depend on them.
 */
export async function verifyInvoice(sources: VerifierSources, claimed: ClaimedInvoice) {
  const document: unknown = JSON.parse(claimed.document);
  if (!isOfVersion1(document)) refuseOtherVersion("metrly.invoice.v2", document);
  const { invoice, events } = await recompute(sources, claimed);
  const differences: string[] = [];
  if (createHash("sha256").update(claimed.document).digest("hex") !== claimed.sha256) {
    differences.push("sha256: the stored hash does not match the stored document");
  }
  if (invoice === undefined) differences.push("the ledger yields no invoice with this number");
  else compare("", document, invoice.document, differences);
  const beside = invoice === undefined ? [] : differencesBeside(claimed.shown ?? {}, invoice.document);
  differences.push(...beside);
  const isSame = invoice !== undefined && invoice.text === claimed.document && invoice.sha256 === claimed.sha256;
  const matches = isSame && beside.length === 0;
  if (!matches && differences.length === 0) differences.push("document: the same content in another encoding");
  return {
    matches,
    expectedSha256: invoice?.sha256 ?? "",
    checkedEvents: events,
    differences: differences.slice(0, MAX_DIFFERENCES),
  };
}

function differencesBeside(shown: Readonly<Record<string, unknown>>, document: unknown): string[] {
  const recomputed = isContainer(document) ? document : {};
  const differences: string[] = [];
  for (const [name, value] of Object.entries(shown)) compare(`${name} in lists`, value, recomputed[name], differences);
  return differences;
}

async function recompute(
  sources: VerifierSources,
  claimed: ClaimedInvoice,
): Promise<{ invoice: ReplayedInvoice | undefined; events: number }> {
  const { ledger, tenancy, partition } = sources;
  const headSeq = await caughtUp(ledger, tenancy, partition);
  const tenant = tenancy.tenant(claimed.tenantId);
  if (tenant === undefined) return { invoice: undefined, events: 0 };
  // A tenant with grants needs ticks that others do not: it is read once more from the beginning.
  return (
    (await replayed(sources, claimed, tenant, headSeq, false)) ??
    (await replayed(sources, claimed, tenant, headSeq, true)) ?? { invoice: undefined, events: 0 }
  );
}

/** Undefined: there is a grant, for which ticks may be missing. */
async function replayed(
  { ledger, tenancy, partition, maxBytes, signal }: VerifierSources,
  { tenantId, ordinal }: ClaimedInvoice,
  tenant: TenantState,
  headSeq: number,
  mayHaveGrants: boolean,
): Promise<{ invoice: ReplayedInvoice | undefined; events: number } | undefined> {
  const replay = createReplay(tenant, tenancy, { maxBytes, mayHaveGrants });
  let events = 0;
  let readings = 0;
  const whole = { partition, tenantId, from: 1, to: headSeq, limit: PAGE, ticksFrom: replay.ticksMatterFrom };
  for await (const { entries } of ledgerPages(ledger, whole)) {
    signal?.throwIfAborted();
    for (const entry of entries) {
      if (entry.kind === "event") events += 1;
      if (entry.kind === "creditGrant" && !mayHaveGrants) return undefined;
      const work = replay.next(entry);
      let step = work.next();
      for (; !step.done; step = work.next()) {
        readings += step.value;
        if (readings < READINGS_PER_TURN) continue;
        readings = 0;
        await new Promise<void>(nextTurn);
      }
      const invoice = step.value.find((candidate) => candidate.ordinal === ordinal);
      if (invoice !== undefined) return { invoice, events };
    }
  }
  return { invoice: undefined, events };
}

/**
 * Waits until tenancy reaches the version of the ledger's last entry, since stamps never decrease; returns that entry's
 * position.
 */
async function caughtUp(
  ledger: VerifierSources["ledger"],
  tenancy: VerifierSources["tenancy"],
  partition: number,
): Promise<number> {
  const { headSeq } = await ledger.read({ partition, from: 1, limit: 1 });
  if (headSeq === 0) return 0;
  const [last] = (await ledger.read({ partition, from: headSeq, limit: 1 })).entries;
  if (last === undefined) throw new Error(`the ledger of partition ${partition} lacks its last entry, ${headSeq}`);
  await tenancy.reached(last.tenancyVersion);
  return headSeq;
}

/** Lists every difference of two JSON values, as `path: stored x, recomputed y`. */
function compare(path: string, stored: unknown, recomputed: unknown, differences: string[]): void {
  if (isContainer(stored) && isContainer(recomputed)) {
    for (const key of new Set([...Object.keys(stored), ...Object.keys(recomputed)])) {
      compare(path === "" ? key : `${path}.${key}`, stored[key], recomputed[key], differences);
    }
  } else if (JSON.stringify(stored) !== JSON.stringify(recomputed)) {
    differences.push(`${path}: stored ${brief(stored)}, recomputed ${brief(recomputed)}`);
  }
}

const isOfVersion1 = (document: unknown): boolean => isContainer(document) && document.schema === "metrly.invoice.v1";

function isContainer(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

const brief = (value: unknown): string => (JSON.stringify(value) ?? "nothing").slice(0, 200);
