import { LATE_METER, METERS } from "../terms/terms.js";
import { keyOf } from "./history.js";
import type { Judged } from "./judged.js";
import { billedByLateMeter } from "./late-meter.js";
import { countedOf, LEDGER, type LedgerRow, recordedOf } from "./recorded.js";
import { quantityOf } from "./usage.js";

/** What must be true at any moment; the answer names what is not. */
export async function judgeLedger(judged: Judged): Promise<string[]> {
  const { ingestion, history, published } = judged;
  const wrong: string[] = [];
  const ledger = await ingestion<LedgerRow>(LEDGER);
  const last = new Map<number, number>();
  const [recorded, voided] = [new Set<string>(), new Set<string>()];
  for (const { partition, seq, kind, key } of ledger) {
    const before = last.get(partition) ?? 0;
    if (seq !== before + 1) wrong.push(`the ledger of partition ${partition} has ${seq} after ${before}`);
    last.set(partition, seq);
    if (key === null) continue;
    if (kind === "void") {
      if (!history.voids.has(key)) wrong.push(`${key} is void and was not taken back`);
      if (voided.has(key)) wrong.push(`${key} is void twice`);
      voided.add(key);
    }
    if (kind !== "event" && kind !== "import") continue;
    if (recorded.has(key)) wrong.push(`${key} is in the ledger twice`);
    const sent = history.events.get(key)?.event;
    if (sent === undefined) wrong.push(`${key} is in the ledger and was never sent`);
    else if (sent.isImport !== (kind === "import")) wrong.push(`${key} is in the ledger as ${kind}`);
    recorded.add(key);
  }
  for (const [partition, records] of published().entries()) wrong.push(...gapsOf(partition, records));
  wrong.push(...(await changedInvoices(judged)));
  return wrong;
}

async function changedInvoices({ billing, invoices }: Judged): Promise<string[]> {
  const found = new Map(
    (
      await billing<{ key: string; document: string }>(
        "SELECT tenant_id || '/' || ordinal AS key, document FROM invoice ORDER BY tenant_id, ordinal",
      )
    ).map(({ key, document }) => [key, document]),
  );
  const changed = [...invoices].filter(([key, document]) => found.get(key) !== document);
  for (const [key, document] of found) invoices.set(key, document);
  return changed.map(([key]) => `invoice ${key} is not what it was`);
}

/** Repeats are allowed in usage.recorded, gaps are not. */
function gapsOf(partition: number, records: readonly Buffer[]): string[] {
  let reached = 0;
  return records.flatMap((record) => {
    const { firstSeq, count } = record[0] === COLUMNS ? ofColumns(record) : ofText(record.toString("utf8"));
    const gap = firstSeq > reached + 1 ? [`usage.recorded/${partition} has ${firstSeq} after ${reached}`] : [];
    reached = Math.max(reached, firstSeq + count - 1);
    return gap;
  });
}

/** The first byte of a record in columns (docs/decisions/0021). */
const COLUMNS = 2;

const ofColumns = (record: Buffer) => ({ firstSeq: Number(record.readBigInt64BE(32)), count: record.readUInt32BE(12) });

function ofText(text: string) {
  const head = JSON.parse(text.split("\n", 1)[0] ?? "") as { firstSeq: number; entries: unknown[] };
  return { firstSeq: head.firstSeq, count: head.entries.length };
}

/** What must be true when everything is acknowledged and processed. */
export async function judgeLedgerAtRest(judged: Judged): Promise<string[]> {
  const { ingestion, billing, history } = judged;
  const wrong = await judgeLedger(judged);
  const entries = await recordedOf(judged);
  const [recorded, voided] = [false, true].map(
    (wanted) => new Set(entries.flatMap(({ event, isVoid }) => (isVoid === wanted ? [keyOf(event)] : []))),
  );
  const events = [...history.events].map(([key, { event }]) => ({ key, ...event }));
  for (const { key } of events) if (!recorded?.has(key)) wrong.push(`${key} was acknowledged and is not in the ledger`);
  for (const key of history.voids.keys()) if (!voided?.has(key)) wrong.push(`${key} was taken back and counts`);
  const counting = countedOf(entries);
  const [accounts] = await ingestion<{ accepted: string; recorded: string; quarantined: string }>(
    "SELECT sum(accepted)::text AS accepted, sum(recorded)::text AS recorded, sum(quarantined)::text AS quarantined FROM usage_account",
  );
  if (Number(accounts?.recorded ?? 0) !== events.length)
    wrong.push(`the accounts have ${accounts?.recorded} recorded events of ${events.length}`);
  const conflicts = history.conflicts.size;
  if (Number(accounts?.quarantined ?? 0) !== conflicts)
    wrong.push(`the accounts have ${accounts?.quarantined} events in quarantine of ${conflicts}`);
  const quarantined = await ingestion<{ key: string }>(
    "SELECT tenant_id || '/' || source || '/' || id AS key FROM quarantined_event",
  );
  const keys = new Set(quarantined.map(({ key }) => key));
  if (quarantined.length !== conflicts || [...history.conflicts].some((key) => !keys.has(key)))
    wrong.push(`in quarantine are ${quarantined.map(({ key }) => key)}, not ${[...history.conflicts]}`);
  const sums = await billing<{ tenant: string; meter: string; quantity: string }>(
    "SELECT tenant_id AS tenant, meter, sum(quantity)::text AS quantity FROM usage_delta GROUP BY 1, 2",
  );
  const found = new Map(sums.map(({ tenant, meter, quantity }) => [`${tenant} ${meter}`, Number(quantity)]));
  for (const tenantId of new Set(events.map((event) => event.tenantId)))
    for (const meter of METERS.filter(({ aggregation }) => aggregation === "COUNT" || aggregation === "SUM")) {
      const counted = counting.filter((event) => event.tenantId === tenantId && event.type === meter.type);
      const wanted = quantityOf(meter, counted);
      const total = found.get(`${tenantId} ${meter.id}`) ?? 0;
      if (total !== wanted) wrong.push(`billing has ${total} of ${meter.id} for ${tenantId}, clients sent ${wanted}`);
    }
  for (const [tenantId, wanted] of await billedByLateMeter(judged)) {
    const total = found.get(`${tenantId} ${LATE_METER.id}`) ?? 0;
    if (total !== wanted)
      wrong.push(`billing has ${total} of ${LATE_METER.id} for ${tenantId}, clients sent ${wanted}`);
  }
  return wrong;
}
