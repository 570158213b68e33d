import type { Transaction } from "#platform/database/database.js";
import { newOrderedUuid } from "#platform/lifecycle/random.js";
import { type Message, type Notice, streamOf, webhookPayload } from "../rules/notice.js";
import { OPERATORS } from "../rules/operators.js";

/** PostgreSQL channel that names each tenant with new notices, at their commit. */
export const NOTICES_CHANNEL = "metrly_notices";

export interface EndpointRef {
  readonly tenantId: string;
  readonly endpointId: string;
}

/** A delivery and its next attempt: `attemptCount` have started. */
export interface DeliveryRef extends EndpointRef {
  readonly deliveryId: string;
  readonly attemptCount: number;
}

export interface Announced {
  /** Those not stored before. */
  readonly notices: readonly Notice[];
  readonly planned: readonly DeliveryRef[];
}

/** Stores new notices, notifies followers at the commit, and plans deliveries. */
export async function announce(tx: Transaction, notices: readonly Notice[]): Promise<Announced> {
  const numbered = await numberNotices(tx, notices);
  await insertNotices(tx, numbered);
  return { notices: numbered.map(({ notice }) => notice), planned: await planDeliveries(tx, numbered) };
}

interface NumberedNotice {
  readonly notice: Notice;
  readonly number: number;
  /** In its stream. */
  readonly sequence: number;
}

/**
 * Assigns the tenant's next numbers to new notices. The tenant's row stays locked until the commit, so that numbers become
 * visible in order: a reader at n never misses one at or below n. Tenants are locked in one order: no deadlock.
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
  const sequences = await lastSequences(tx, tenants);
  const known = new Set(rows.map((row) => keyOf(row.tenant_id, row.event_id)));
  const numbered: NumberedNotice[] = [];
  for (const notice of notices) {
    const key = keyOf(notice.tenantId, notice.eventId);
    if (known.has(key)) continue;
    known.add(key);
    const number = (last.get(notice.tenantId) ?? 0) + 1;
    last.set(notice.tenantId, number);
    const stream = keyOf(notice.tenantId, streamOf(notice.type));
    const sequence = (sequences.get(stream) ?? 0) + 1;
    sequences.set(stream, sequence);
    numbered.push({ notice, number, sequence });
  }
  return numbered;
}

/** The last sequence of each stream, under the tenants' locks. */
async function lastSequences(tx: Transaction, tenants: readonly string[]): Promise<Map<string, number>> {
  const { rows } = await tx.query<{ tenant_id: string; stream: string; last: number }>(
    "SELECT tenant_id, stream, last FROM notice_sequence WHERE tenant_id = ANY($1::text[])",
    [tenants],
  );
  return new Map(rows.map((row) => [keyOf(row.tenant_id, row.stream), row.last]));
}

const keyOf = (tenantId: string, eventId: string): string => `${tenantId}\n${eventId}`;

/** Locks the tenants' streams and returns the last number of each. */
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
    `INSERT INTO notice (tenant_id, number, sequence, event_id, type, time, data)
     SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::timestamptz[], $7::json[])`,
    [
      numbered.map(({ notice }) => notice.tenantId),
      numbered.map(({ number }) => number),
      numbered.map(({ sequence }) => sequence),
      numbered.map(({ notice }) => notice.eventId),
      numbered.map(({ notice }) => notice.type),
      numbered.map(({ notice }) => new Date(notice.time)),
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
  await tx.query(
    `INSERT INTO notice_sequence (tenant_id, stream, last)
     SELECT t, s, max(n) FROM unnest($1::text[], $2::text[], $3::bigint[]) AS moved (t, s, n) GROUP BY t, s
     ON CONFLICT (tenant_id, stream) DO UPDATE SET last = excluded.last`,
    [
      numbered.map(({ notice }) => notice.tenantId),
      numbered.map(({ notice }) => streamOf(notice.type)),
      numbered.map(({ sequence }) => sequence),
    ],
  );
  await tx.query("SELECT pg_notify($1, t) FROM unnest($2::text[]) AS t", [NOTICES_CHANNEL, [...last.keys()]]);
}

/** One delivery per notice and enabled endpoint, of its tenant or of the operators, that is subscribed to its type. */
async function planDeliveries(tx: Transaction, notices: readonly NumberedNotice[]): Promise<readonly DeliveryRef[]> {
  const { rows: endpoints } = await tx.query<{ tenant_id: string; id: string; event_types: string[] }>(
    `SELECT tenant_id, id, event_types FROM webhook_endpoint
     WHERE tenant_id = ANY($1::text[]) AND status = 'ENABLED' AND deleted_at IS NULL ORDER BY created_at, id`,
    [[OPERATORS, ...new Set(notices.map(({ notice }) => notice.tenantId))]],
  );
  const planned = notices.flatMap(({ notice, sequence }) =>
    endpoints
      .filter(({ tenant_id: owner }) => owner === notice.tenantId || owner === OPERATORS)
      .filter(({ event_types: types }) => types.includes(notice.type))
      .map((endpoint) => ({
        endpointId: endpoint.id,
        tenantId: endpoint.tenant_id,
        eventTenantId: notice.tenantId,
        eventId: notice.eventId,
        message: { type: notice.type, time: notice.time, data: notice.data, sequence },
      })),
  );
  return insertDeliveries(tx, planned);
}

export interface NewDelivery {
  readonly tenantId: string;
  readonly endpointId: string;
  /** Whose event it is: the endpoint's tenant, or for an operator's endpoint any. */
  readonly eventTenantId: string;
  readonly eventId: string;
  readonly message: Message;
}

/** Plans deliveries that are due immediately, each with the endpoint's next sequence. */
export async function insertDeliveries(tx: Transaction, planned: readonly NewDelivery[]): Promise<DeliveryRef[]> {
  if (planned.length === 0) return [];
  const refs = planned.map(({ tenantId, endpointId }) => ({
    ...{ tenantId, endpointId, deliveryId: `whd_${newOrderedUuid()}`, attemptCount: 0 },
  }));
  const sequences = await takeSequences(tx, planned);
  await tx.query(
    `INSERT INTO webhook_delivery
       (tenant_id, id, endpoint_id, endpoint_sequence, event_id, event_type, payload, event_tenant_id, next_attempt_at)
     SELECT *, now()
       FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[])`,
    [
      refs.map((ref) => ref.tenantId),
      refs.map((ref) => ref.deliveryId),
      planned.map((p) => p.endpointId),
      sequences,
      planned.map((p) => p.eventId),
      planned.map((p) => p.message.type),
      planned.map((p, at) => webhookPayload(p.message, sequences[at] ?? 0)),
      planned.map((p) => (p.eventTenantId === p.tenantId ? "" : p.eventTenantId)),
    ],
  );
  return refs;
}

/**
 * The next sequences of the deliveries' endpoints, in order. Their rows stay locked until the commit, and are locked last and in
 * one order: whoever holds one waits for nothing but such rows.
 */
async function takeSequences(tx: Transaction, planned: readonly NewDelivery[]): Promise<number[]> {
  const { rows } = await tx.query<{ tenant_id: string; endpoint_id: string; last: number }>(
    `INSERT INTO endpoint_sequence AS s (tenant_id, endpoint_id, last)
     SELECT t, e, count(*) FROM unnest($1::text[], $2::text[]) AS wanted (t, e) GROUP BY t, e ORDER BY t, e
     ON CONFLICT (tenant_id, endpoint_id) DO UPDATE SET last = s.last + excluded.last
     RETURNING tenant_id, endpoint_id, last`,
    [planned.map((p) => p.tenantId), planned.map((p) => p.endpointId)],
  );
  const next = new Map(rows.map((row) => [keyOf(row.tenant_id, row.endpoint_id), row.last + 1]));
  for (const { tenantId, endpointId } of planned) {
    const key = keyOf(tenantId, endpointId);
    next.set(key, (next.get(key) ?? 0) - 1);
  }
  return planned.map(({ tenantId, endpointId }) => {
    const key = keyOf(tenantId, endpointId);
    const sequence = next.get(key) ?? 0;
    next.set(key, sequence + 1);
    return sequence;
  });
}
