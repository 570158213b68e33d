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
  readonly published: readonly (readonly string[])[];
  /** The meters: what they count, and whether they add `amount`. */
  readonly meters: readonly { readonly id: string; readonly type: string; readonly isSum: boolean }[];
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
  for (const [partition, texts] of published.entries()) wrong.push(...gapsOf(partition, texts));
  return wrong;
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
