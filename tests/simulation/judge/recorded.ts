import type { SentEvent } from "../terms/requests.js";
import { keyOf } from "./history.js";
import type { Judged } from "./judged.js";

/** What clients sent and the ledger has, in its order. */
export async function recordedEvents({ ingestion, history }: Judged): Promise<SentEvent[]> {
  const rows = await ingestion<{ key: string }>(
    `SELECT tenant_id || '/' || source || '/' || id AS key FROM ledger WHERE kind IN ('event', 'import')
     ORDER BY partition, seq`,
  );
  const events = new Map([...history.events.values()].map(({ event }) => [keyOf(event), event]));
  return rows.flatMap(({ key }) => events.get(key) ?? []);
}
