import { uuidv7 } from "uuidv7";
import type { Database, Transaction } from "#platform/database.js";
import { type Notice, webhookPayload } from "./rules/notice.js";
import type { DeliveryRef } from "./store-delivery.js";

/** PostgreSQL channel that names each tenant with new notices, at their commit. */
export const NOTICES_CHANNEL = "metrly_notices";

export interface PoisonRecord {
  readonly offset: number;
  readonly key: string | undefined;
  readonly value: Buffer;
  readonly error: string;
}

/** What one batch of one partition says, decoded. */
export interface IntakeBatch {
  readonly topic: string;
  readonly partition: number;
  readonly firstOffset: number;
  readonly nextOffset: number;
  readonly notices: readonly Notice[];
  readonly poison: readonly PoisonRecord[];
}

export type IntakeOutcome =
  | { readonly kind: "stored"; readonly notices: readonly Notice[]; readonly planned: readonly DeliveryRef[] }
  /** The cursor is not where this batch begins: read on at `next`. Nothing was stored. */
  | { readonly kind: "fenced"; readonly next: number };

/** Stores a batch: notices, planned deliveries, poison and the cursor move together or not at all. */
export async function storeIntake(database: Database, batch: IntakeBatch): Promise<IntakeOutcome> {
  return database.transaction(async (tx): Promise<IntakeOutcome> => {
    const moved = await tx.query(
      "UPDATE consumer_cursor SET next_offset = $4 WHERE topic = $1 AND partition = $2 AND next_offset = $3",
      [batch.topic, batch.partition, batch.firstOffset, batch.nextOffset],
    );
    if (moved.rowCount !== 1) return { kind: "fenced", next: await readCursor(tx, batch.topic, batch.partition) };
    await insertPoison(tx, batch);
    const numbered = await numberNotices(tx, batch.notices);
    await insertNotices(tx, numbered);
    const planned = await planDeliveries(
      tx,
      numbered.map(({ notice }) => notice),
    );
    return { kind: "stored", notices: numbered.map(({ notice }) => notice), planned };
  });
}

async function readCursor(tx: Pick<Transaction, "query">, topic: string, partition: number): Promise<number> {
  const { rows } = await tx.query<{ next_offset: number }>(
    "SELECT next_offset FROM consumer_cursor WHERE topic = $1 AND partition = $2",
    [topic, partition],
  );
  return rows[0]?.next_offset ?? 0;
}

export interface CursorStart {
  readonly next: number;
  /** What the stored cursor was, when the log no longer (or not yet) holds that offset. */
  readonly lostPosition?: number;
}

/**
 * Where to read on in a partition that holds [first, next). A position outside it means that retention was faster than we,
 * or that the topic was made anew: reading starts at its beginning, which is safe because notices are stored once per event.
 */
export async function startCursor(
  database: Database,
  topic: string,
  partition: number,
  bounds: { readonly first: number; readonly next: number },
): Promise<CursorStart> {
  return database.transaction(async (tx): Promise<CursorStart> => {
    const created = await tx.query(
      "INSERT INTO consumer_cursor (topic, partition, next_offset) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
      [topic, partition, bounds.first],
    );
    if (created.rowCount === 1) return { next: bounds.first };
    const stored = await readCursor(tx, topic, partition);
    if (stored >= bounds.first && stored <= bounds.next) return { next: stored };
    await tx.query(
      "UPDATE consumer_cursor SET next_offset = $4 WHERE topic = $1 AND partition = $2 AND next_offset = $3",
      [topic, partition, stored, bounds.first],
    );
    return { next: bounds.first, lostPosition: stored };
  });
}

async function insertPoison(tx: Transaction, batch: IntakeBatch): Promise<void> {
  for (const record of batch.poison) {
    await tx.query(
      `INSERT INTO poison_record (topic, partition, log_offset, key, value, error)
       VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
      [
        batch.topic,
        batch.partition,
        record.offset,
        record.key === undefined ? null : Buffer.from(record.key),
        record.value,
        record.error.replaceAll("\0", "\uFFFD"),
      ],
    );
  }
}

interface NumberedNotice {
  readonly notice: Notice;
  readonly number: number;
}

/**
 * Gives what is new its tenant's next numbers. The tenant's row stays locked until the commit, so that numbers become
 * visible in order: whoever has read up to n never misses one at or below n. Tenants are locked in one order: no deadlock.
 */
async function numberNotices(tx: Transaction, notices: readonly Notice[]): Promise<readonly NumberedNotice[]> {
  if (notices.length === 0) return [];
  const tenants = [...new Set(notices.map((notice) => notice.tenantId))].sort();
  const last = await lockTenants(tx, tenants);
  const { rows } = await tx.query<{ tenant_id: string; event_id: string }>(
    `SELECT n.tenant_id, n.event_id FROM notice n
     JOIN unnest($1::text[], $2::text[]) AS wanted (tenant_id, event_id) USING (tenant_id, event_id)`,
    [notices.map((n) => n.tenantId), notices.map((n) => n.eventId)],
  );
  const known = new Set(rows.map((row) => keyOf(row.tenant_id, row.event_id)));
  const numbered: NumberedNotice[] = [];
  for (const notice of notices) {
    const key = keyOf(notice.tenantId, notice.eventId);
    if (known.has(key)) continue;
    known.add(key);
    const number = (last.get(notice.tenantId) ?? 0) + 1;
    last.set(notice.tenantId, number);
    numbered.push({ notice, number });
  }
  return numbered;
}

const keyOf = (tenantId: string, eventId: string): string => `${tenantId}\n${eventId}`;

/** Locks the tenants' streams and answers the last number of each. */
export async function lockTenants(tx: Transaction, sortedTenants: readonly string[]): Promise<Map<string, number>> {
  await tx.query(
    "INSERT INTO tenant_stream (tenant_id) SELECT t FROM unnest($1::text[]) AS t ORDER BY t ON CONFLICT DO NOTHING",
    [sortedTenants],
  );
  const { rows } = await tx.query<{ tenant_id: string; last_number: number }>(
    "SELECT tenant_id, last_number FROM tenant_stream WHERE tenant_id = ANY($1::text[]) ORDER BY tenant_id FOR UPDATE",
    [sortedTenants],
  );
  return new Map(rows.map((row) => [row.tenant_id, row.last_number]));
}

async function insertNotices(tx: Transaction, numbered: readonly NumberedNotice[]): Promise<void> {
  if (numbered.length === 0) return;
  await tx.query(
    `INSERT INTO notice (tenant_id, number, event_id, type, time, data)
     SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::timestamptz[], $6::json[])`,
    [
      numbered.map(({ notice }) => notice.tenantId),
      numbered.map(({ number }) => number),
      numbered.map(({ notice }) => notice.eventId),
      numbered.map(({ notice }) => notice.type),
      numbered.map(({ notice }) => notice.time),
      numbered.map(({ notice }) => JSON.stringify(notice.data)),
    ],
  );
  const last = new Map(numbered.map(({ notice, number }) => [notice.tenantId, number]));
  await tx.query(
    `UPDATE tenant_stream SET last_number = moved.number
     FROM unnest($1::text[], $2::bigint[]) AS moved (tenant_id, number)
     WHERE tenant_stream.tenant_id = moved.tenant_id`,
    [[...last.keys()], [...last.values()]],
  );
  await tx.query("SELECT pg_notify($1, t) FROM unnest($2::text[]) AS t", [NOTICES_CHANNEL, [...last.keys()]]);
}

/** One delivery per notice and enabled endpoint that asks for its type. */
async function planDeliveries(tx: Transaction, notices: readonly Notice[]): Promise<readonly DeliveryRef[]> {
  const { rows: endpoints } = await tx.query<{ tenant_id: string; id: string; event_types: string[] }>(
    `SELECT tenant_id, id, event_types FROM webhook_endpoint
     WHERE tenant_id = ANY($1::text[]) AND status = 'ENABLED' AND deleted_at IS NULL ORDER BY created_at, id`,
    [[...new Set(notices.map((notice) => notice.tenantId))]],
  );
  const planned = notices.flatMap((notice) =>
    endpoints
      .filter((endpoint) => endpoint.tenant_id === notice.tenantId && endpoint.event_types.includes(notice.type))
      .map((endpoint) => ({
        endpointId: endpoint.id,
        tenantId: notice.tenantId,
        eventId: notice.eventId,
        eventType: notice.type,
        payload: webhookPayload(notice.type, notice.time, notice.data),
      })),
  );
  return insertDeliveries(tx, planned);
}

export interface NewDelivery {
  readonly tenantId: string;
  readonly endpointId: string;
  readonly eventId: string;
  readonly eventType: string;
  readonly payload: string;
}

/** Plans deliveries that are due at once. */
export async function insertDeliveries(tx: Transaction, planned: readonly NewDelivery[]): Promise<DeliveryRef[]> {
  if (planned.length === 0) return [];
  const refs = planned.map(({ tenantId }) => ({ tenantId, deliveryId: `whd_${uuidv7()}`, attemptCount: 0 }));
  await tx.query(
    `INSERT INTO webhook_delivery (tenant_id, id, endpoint_id, event_id, event_type, payload, next_attempt_at)
     SELECT *, now() FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])`,
    [
      refs.map((ref) => ref.tenantId),
      refs.map((ref) => ref.deliveryId),
      planned.map((p) => p.endpointId),
      planned.map((p) => p.eventId),
      planned.map((p) => p.eventType),
      planned.map((p) => p.payload),
    ],
  );
  return refs;
}
