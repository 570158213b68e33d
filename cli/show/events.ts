import type { Env } from "#platform/process/config.js";
import { askGraph, findConnection } from "../connection/connection.js";
import { UserError } from "../connection/failure.js";
import { graphql } from "../graphql/index.js";
import { present, printOne, type ShowOptions } from "./print.js";

const EVENT = graphql(`
  query Event($tenantId: ID!, $source: String!, $id: String!) {
    event(tenantId: $tenantId, source: $source, id: $id) {
      id source type time receivedAt recordedAt status seq duplicates quarantineReason voidReason data
    }
    tenant(id: $tenantId) { id }
  }
`);

export interface EventOptions extends ShowOptions {
  readonly tenant: string;
  readonly source: string;
}

/** What an event's status means for the one who is billed. */
const MEANING: Readonly<Record<string, string>> = {
  UNMETERED: " (no meter counts its type)",
  QUARANTINED: " (waits for a decision: acceptance or refusal)",
};

/** `metrly events show`: what became of one event. */
export async function showEvent(id: string, options: EventOptions, env: Env): Promise<void> {
  const { tenant: tenantId, source } = options;
  const { event, tenant } = await askGraph(await findConnection(options, env), EVENT, { tenantId, source, id });
  present(tenant, tenantId);
  if (event === null)
    throw new UserError(
      `NOT_FOUND: ${tenantId} has no event ${id} of source ${source}. If it was sent a moment ago, ask again.`,
    );
  const reason = event.quarantineReason ?? event.voidReason;
  const fields = [
    ["event", event.id],
    ["source", event.source],
    ["type", event.type],
    ["status", `${event.status}${MEANING[event.status] ?? ""}`],
    ...(reason === null ? [] : [["reason", reason] as const]),
    ["time", event.time],
    ["received", event.receivedAt],
    ["recorded", event.recordedAt ?? "-"],
    ["position", event.seq ?? "-"],
    ["duplicates", String(event.duplicates)],
    ["data", JSON.stringify(event.data)],
  ] as const;
  printOne(event, fields, options);
}
