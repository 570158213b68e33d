/** The judge: it knows what clients sent and were answered, and reads what the system made of it. Shares no code with the product. */

export interface SentEvent {
  readonly tenantId: string;
  readonly source: string;
  readonly id: string;
  readonly type: string;
  readonly time: number;
  readonly amount: number;
}

export interface History {
  sent(events: readonly SentEvent[]): void;
  acknowledged(events: readonly SentEvent[]): void;
  isAcknowledged(events: readonly SentEvent[]): boolean;
  readonly events: ReadonlyMap<string, { readonly event: SentEvent; readonly isAcknowledged: boolean }>;
}

const keyOf = ({ tenantId, source, id }: { tenantId: string; source: string; id: string }): string =>
  [tenantId, source, id].join("/");

export function createHistory(): History {
  const events = new Map<string, { event: SentEvent; isAcknowledged: boolean }>();
  return {
    events,
    sent(batch) {
      for (const event of batch)
        if (!events.has(keyOf(event))) events.set(keyOf(event), { event, isAcknowledged: false });
    },
    acknowledged(batch) {
      for (const event of batch) events.set(keyOf(event), { event, isAcknowledged: true });
    },
    isAcknowledged: (batch) => batch.every((event) => events.get(keyOf(event))?.isAcknowledged === true),
  };
}

type Ask = <Row extends object>(text: string) => Promise<Row[]>;

export interface Judged {
  readonly history: History;
  readonly ingestion: Ask;
  readonly billing: Ask;
  /** The texts of usage.recorded, per partition. */
  published(): readonly (readonly string[])[];
  /** The meters: what they count, and whether they add `amount`. */
  readonly meters: readonly OracleMeter[];
  /** The texts of billing's events. */
  announced(): readonly string[];
  /** The invoices that were seen, by tenant and ordinal: they never change. */
  readonly invoices: Map<string, string>;
}

export interface OracleMeter {
  readonly id: string;
  readonly type: string;
  readonly isSum: boolean;
  /** Price of one, in thousandths of the currency's unit. */
  readonly unitThousandths: number;
}

/** What must be true at any moment; the answer names what is not. */
export async function judgeAlways(judged: Judged): Promise<string[]> {
  const { ingestion, history, published } = judged;
  const wrong: string[] = [];
  const ledger = await ingestion<{ partition: number; seq: number; kind: string; key: string }>(
    `SELECT partition, seq, kind, tenant_id || '/' || source || '/' || id AS key FROM ledger ORDER BY partition, seq, kind`,
  );
  const last = new Map<number, number>();
  const recorded = new Set<string>();
  for (const { partition, seq, kind, key } of ledger) {
    const before = last.get(partition) ?? 0;
    if (seq !== before + 1) wrong.push(`the ledger of partition ${partition} has ${seq} after ${before}`);
    last.set(partition, seq);
    if (kind !== "event") continue;
    if (recorded.has(key)) wrong.push(`${key} is in the ledger twice`);
    if (!history.events.has(key)) wrong.push(`${key} is in the ledger and was never sent`);
    recorded.add(key);
  }
  for (const [partition, texts] of published().entries()) wrong.push(...gapsOf(partition, texts));
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
function gapsOf(partition: number, texts: readonly string[]): string[] {
  let reached = 0;
  return texts.flatMap((text) => {
    const head = JSON.parse(text.split("\n", 1)[0] ?? "") as { firstSeq: number; entries: unknown[] };
    const gap =
      head.firstSeq > reached + 1 ? [`usage.recorded/${partition} has ${head.firstSeq} after ${reached}`] : [];
    reached = Math.max(reached, head.firstSeq + head.entries.length - 1);
    return gap;
  });
}

/** What must be true when everything is acknowledged and processed. */
export async function judgeAtRest(judged: Judged): Promise<string[]> {
  const { ingestion, billing, history, meters } = judged;
  const wrong = await judgeAlways(judged);
  const recorded = new Set(
    (
      await ingestion<{ key: string }>(
        "SELECT tenant_id || '/' || source || '/' || id AS key FROM ledger WHERE kind = 'event'",
      )
    ).map(({ key }) => key),
  );
  const events = [...history.events].map(([key, { event }]) => ({ key, ...event }));
  for (const { key } of events) if (!recorded.has(key)) wrong.push(`${key} was acknowledged and is not in the ledger`);
  const [accounts] = await ingestion<{ accepted: string; recorded: string; quarantined: string }>(
    "SELECT sum(accepted)::text AS accepted, sum(recorded)::text AS recorded, sum(quarantined)::text AS quarantined FROM usage_account",
  );
  if (Number(accounts?.recorded ?? 0) !== events.length)
    wrong.push(`the accounts have ${accounts?.recorded} recorded events of ${events.length}`);
  if (Number(accounts?.quarantined ?? 0) !== 0) wrong.push(`${accounts?.quarantined} events are in quarantine`);
  const totals = await billing<{ tenant: string; meter: string; quantity: string }>(
    "SELECT tenant_id AS tenant, meter, sum(quantity)::text AS quantity FROM usage_delta GROUP BY 1, 2",
  );
  const found = new Map(totals.map(({ tenant, meter, quantity }) => [`${tenant} ${meter}`, Number(quantity)]));
  for (const tenantId of new Set(events.map((event) => event.tenantId)))
    for (const { id, type, isSum } of meters) {
      const counted = events.filter((event) => event.tenantId === tenantId && event.type === type);
      const wanted = counted.reduce((sum, { amount }) => sum + (isSum ? amount : 1), 0);
      const total = found.get(`${tenantId} ${id}`) ?? 0;
      if (total !== wanted) wrong.push(`billing has ${total} of ${id} for ${tenantId}, clients sent ${wanted}`);
    }
  return wrong;
}

/** What must be true when every period up to the last one is closed and announced. */
export async function judgeInvoices(judged: Judged): Promise<string[]> {
  const { billing, history, meters, announced } = judged;
  const wrong = await judgeAtRest(judged);
  const lines = await billing<{ key: string; amount: string }>(
    `SELECT tenant_id || '/' || for_period || '/' || for_price AS key, sum(amount)::text AS amount
     FROM invoice_line WHERE for_price >= 0 GROUP BY 1`,
  );
  const invoiced = new Map(lines.map(({ key, amount }) => [key, Math.round(Number(amount) * 100)]));
  const wanted = new Map<string, number>();
  for (const { event } of history.events.values()) {
    const price = meters.findIndex(({ type }) => type === event.type);
    const meter = meters[price];
    if (meter === undefined) continue;
    const at = new Date(event.time);
    const key = [event.tenantId, Date.UTC(at.getUTCFullYear(), at.getUTCMonth()), price].join("/");
    wanted.set(key, (wanted.get(key) ?? 0) + (meter.isSum ? event.amount : 1) * meter.unitThousandths);
  }
  // One rounding per line, half up.
  for (const [key, thousandths] of wanted) {
    const cents = Math.floor((thousandths + 5) / 10);
    if ((invoiced.get(key) ?? 0) !== cents)
      wrong.push(`${key} is invoiced with ${invoiced.get(key)} cents of ${cents}`);
  }
  for (const key of invoiced.keys()) if (!wanted.has(key) && invoiced.get(key) !== 0) wrong.push(`${key} has no usage`);
  return [...wrong, ...(await unannounced(billing, announced()))];
}

async function unannounced(billing: Ask, announced: readonly string[]): Promise<string[]> {
  const events = announced.map((text) => JSON.parse(text) as { id: string; type: string; subject: string });
  const count = (type: string): number =>
    new Set(events.filter((event) => event.type.startsWith(type)).map(({ id, subject }) => `${subject} ${id}`)).size;
  const [made] = await billing<{ closed: number; invoices: number }>(
    `SELECT (SELECT count(*) FROM billing_period WHERE status = 'CLOSED') AS closed, (SELECT count(*) FROM invoice) AS invoices`,
  );
  const [closed, invoices] = [count("metrly.billing.period.closed"), count("metrly.invoice.generated")];
  return made?.closed === closed && made.invoices === invoices
    ? []
    : [`${closed} closes and ${invoices} invoices were announced of ${made?.closed} and ${made?.invoices}`];
}
