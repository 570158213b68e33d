import { once } from "node:events";
import { MAX_INSTANT_MS } from "#kernel/duration.js";
import { partitionOf } from "#kernel/partition.js";
import { createIdentityTokens } from "#platform/auth/identity.js";
import { createLedgerClient, type LedgerPage } from "#platform/ledger/client.js";
import { ledgerPages } from "#platform/ledger/pages.js";
import { type Env, parseConfig } from "#platform/process/config.js";
import { findInternalSecret } from "#platform/process/internal-secret.js";
import type { RecordedEvent } from "#schema/events/usage-recorded.v1.js";
import { asTyped, startAsTyped } from "../as-typed.js";
import { assertDataDir, assertHttpUrl, localUrl } from "../connection/address.js";
import { UserError } from "../connection/failure.js";

/**
 * `metrly events export`: a tenant's recorded events as CloudEvents, a line each, oldest first, as `metrly send` takes them; without
 * the voided ones; throws a UserError if there is none. It reads the ledger with the installation's internal secret: run it where ingestion runs.
 */
export async function exportEvents(tenantId: string, options: { readonly url?: string }, env: Env): Promise<void> {
  const config = parseConfig(env);
  const url = options.url ?? config.serviceUrls.ingestion ?? (await localUrl(config, env, false));
  assertHttpUrl(url);
  if (config.internalSecret === undefined) assertDataDir(config.dataDir);
  const ledger = createLedgerClient(() => url, createIdentityTokens(await findInternalSecret(config)), "cli");
  const partition = partitionOf(tenantId, config.partitions);
  const read = async (query: { readonly from: number; readonly limit: number }): Promise<LedgerPage> => {
    try {
      return await ledger.read({ partition, tenantId, ticksFrom: MAX_INSTANT_MS, ...query });
    } catch (error) {
      throw new UserError(
        `The ledger at ${url} cannot be read (${reasonOf(error)}). Is Metrly running? Start it with ${startAsTyped()}, or pass --url with ingestion's own address.`,
      );
    }
  };
  const { headSeq } = await read({ from: 1, limit: 1 });
  const pages = () => ledgerPages({ read }, { partition, from: 1, to: headSeq });
  // A void comes after its event, so they are all known before the first line is written.
  const voided = new Set<number>();
  for await (const { entries } of pages())
    for (const entry of entries) if (entry.kind === "void") voided.add(entry.event.seq);
  let events = 0;
  for await (const { entries } of pages()) {
    const lines = entries.flatMap((entry) =>
      entry.kind === "event" && !voided.has(entry.seq) ? [`${cloudEvent(entry)}\n`] : [],
    );
    events += lines.length;
    if (lines.length > 0 && !process.stdout.write(lines.join(""))) await once(process.stdout, "drain");
  }
  if (events + voided.size === 0)
    throw new UserError(
      `There are no events of ${tenantId}. The tenants: ${asTyped("tenants list")}. Its id must be right, and METRLY_PARTITIONS that of the installation (now ${config.partitions}).`,
    );
  const left = voided.size === 0 ? "" : `, and ${voided.size} voided left out`;
  process.stderr.write(`${events} ${events === 1 ? "event" : "events"} of ${tenantId}${left}\n`);
}

/** `data` keeps its text: a parser would round numbers. */
function cloudEvent({ id, source, type, tenantId: subject, time, data }: RecordedEvent): string {
  const attributes = { specversion: "1.0", id, source, type, subject, time: new Date(time).toISOString() };
  return `${JSON.stringify(attributes).slice(0, -1)},"data":${data}}`;
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}
