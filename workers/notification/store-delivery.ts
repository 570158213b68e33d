import type { Database, Transaction } from "#platform/database.js";
import { type AttemptResult, DISABLE_AFTER_FAILING_MS, type Verdict } from "./rules/retry.js";

/** Names a delivery and the attempt that comes next: `attemptCount` have begun. */
export interface DeliveryRef {
  readonly tenantId: string;
  readonly deliveryId: string;
  readonly attemptCount: number;
}

/** A delivery that this worker alone may send until its lease runs out. */
export interface ClaimedDelivery {
  readonly tenantId: string;
  readonly deliveryId: string;
  readonly endpointId: string;
  readonly eventId: string;
  readonly payload: string;
  readonly url: string;
  /** Undefined: the endpoint takes deliveries. Otherwise why it doesn't. */
  readonly endpointClosed: string | undefined;
  /** Newest first; all that are valid now. */
  readonly secrets: readonly string[];
  /** Which attempt this is, ever; also the fence of `finishAttempt`. */
  readonly attempt: number;
  /** Which attempt of the running schedule of retries this is, from 1. */
  readonly scheduleAttempt: number;
}

/** A job may fire a moment before the database's clock says it is due. */
const EARLY_MS = 1_000;

/**
 * Takes a due delivery, or answers undefined: not due, taken by another, or finished. While it is sent its next attempt time
 * is the end of the lease: if this process dies, the delivery is simply due again then.
 */
export async function claimDelivery(
  database: Database,
  tenantId: string,
  deliveryId: string,
  leaseMs: number,
): Promise<ClaimedDelivery | undefined> {
  const { rows } = await database.pool.query<{
    endpoint_id: string;
    event_id: string;
    payload: string;
    url: string;
    endpoint_status: string;
    deleted: boolean;
    secrets: string[];
    attempt_count: number;
    schedule_start: number;
  }>(
    `UPDATE webhook_delivery d
     SET attempt_count = d.attempt_count + 1, next_attempt_at = now() + $3 * interval '1 millisecond'
     FROM webhook_endpoint e
     WHERE d.tenant_id = $1 AND d.id = $2 AND d.status = 'PENDING'
       AND d.next_attempt_at <= now() + $4 * interval '1 millisecond'
       AND e.tenant_id = d.tenant_id AND e.id = d.endpoint_id
     RETURNING d.endpoint_id, d.event_id, d.payload, d.attempt_count, d.schedule_start,
       e.url, e.status AS endpoint_status, e.deleted_at IS NOT NULL AS deleted,
       ARRAY(SELECT s.secret FROM webhook_secret s
             WHERE s.tenant_id = e.tenant_id AND s.endpoint_id = e.id AND (s.expires_at IS NULL OR s.expires_at > now())
             ORDER BY s.id DESC) AS secrets`,
    [tenantId, deliveryId, leaseMs, EARLY_MS],
  );
  const [row] = rows;
  if (row === undefined) return undefined;
  return {
    tenantId,
    deliveryId,
    endpointId: row.endpoint_id,
    eventId: row.event_id,
    payload: row.payload,
    url: row.url,
    endpointClosed: closedReason(row),
    secrets: row.secrets,
    attempt: row.attempt_count,
    scheduleAttempt: row.attempt_count - row.schedule_start,
  };
}

function closedReason(row: { endpoint_status: string; deleted: boolean }): string | undefined {
  if (row.deleted) return ENDPOINT_DELETED;
  return row.endpoint_status === "ENABLED" ? undefined : "the endpoint is disabled";
}

export const ENDPOINT_DELETED = "the endpoint was deleted";

/**
 * Records an attempt and what follows from it, in one transaction. A worker whose lease ran out changes nothing but the log
 * of attempts; only a success still counts, because the receiver has it.
 */
export async function finishAttempt(
  database: Database,
  claimed: ClaimedDelivery,
  result: AttemptResult,
  verdict: Verdict,
): Promise<void> {
  await database.transaction(async (tx) => {
    // The endpoint first: who closes it locks it and then its deliveries, and two orders would deadlock.
    await tellEndpoint(tx, claimed, verdict);
    await insertAttempt(tx, claimed, result);
    await applyVerdict(tx, claimed, verdict);
  });
}

/** Ends a delivery that is not worth an attempt. */
export async function buryDelivery(database: Database, claimed: ClaimedDelivery, reason: string): Promise<void> {
  await database.transaction((tx) => applyVerdict(tx, claimed, { kind: "dead", reason, disablesEndpoint: false }));
}

async function insertAttempt(tx: Transaction, claimed: ClaimedDelivery, result: AttemptResult): Promise<void> {
  await tx.query(
    `INSERT INTO webhook_attempt (tenant_id, delivery_id, number, at, duration_ms, response_status, error, response_body)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
    [
      claimed.tenantId,
      claimed.deliveryId,
      claimed.attempt,
      new Date(result.startedAt),
      result.durationMs,
      result.responseStatus ?? null,
      result.error ?? null,
      result.responseBody ?? null,
    ],
  );
}

async function applyVerdict(tx: Transaction, claimed: ClaimedDelivery, verdict: Verdict): Promise<void> {
  const key = [claimed.tenantId, claimed.deliveryId, claimed.attempt];
  const mine = "tenant_id = $1 AND id = $2 AND attempt_count = $3";
  switch (verdict.kind) {
    case "delivered":
      await tx.query(
        `UPDATE webhook_delivery SET status = 'DELIVERED', dead_reason = NULL, next_attempt_at = NULL
         WHERE tenant_id = $1 AND id = $2`,
        [claimed.tenantId, claimed.deliveryId],
      );
      break;
    case "retry":
      await tx.query(
        `UPDATE webhook_delivery SET next_attempt_at = now() + $4 * interval '1 millisecond'
         WHERE ${mine} AND status = 'PENDING'`,
        [...key, verdict.delayMs],
      );
      break;
    case "dead":
      await tx.query(
        `UPDATE webhook_delivery SET status = 'DEAD', dead_reason = $4, next_attempt_at = NULL
         WHERE ${mine} AND status = 'PENDING'`,
        [...key, verdict.reason],
      );
      break;
  }
}

/** Keeps track of how long an endpoint has only failed, and disables one that is gone or has failed for too long. */
async function tellEndpoint(tx: Transaction, claimed: ClaimedDelivery, verdict: Verdict): Promise<void> {
  const key = [claimed.tenantId, claimed.endpointId];
  if (verdict.kind === "delivered") {
    await tx.query(
      "UPDATE webhook_endpoint SET failing_since = NULL WHERE tenant_id = $1 AND id = $2 AND failing_since IS NOT NULL",
      key,
    );
    return;
  }
  if (verdict.kind === "dead" && verdict.disablesEndpoint) {
    await closeEndpoint(tx, claimed.tenantId, claimed.endpointId, "the receiver answered 410 Gone");
    return;
  }
  const { rows } = await tx.query<{ failing_ms: number }>(
    `UPDATE webhook_endpoint SET failing_since = coalesce(failing_since, now()) WHERE tenant_id = $1 AND id = $2
     RETURNING (extract(epoch FROM now() - failing_since) * 1000)::float8 AS failing_ms`,
    key,
  );
  if ((rows[0]?.failing_ms ?? 0) > DISABLE_AFTER_FAILING_MS)
    await closeEndpoint(tx, claimed.tenantId, claimed.endpointId, "every attempt has failed for five days");
}

/**
 * Disables an endpoint; what was still pending for it, a delivery being sent included, becomes a dead letter that a replay
 * can revive.
 */
export async function closeEndpoint(tx: Transaction, tenantId: string, endpointId: string, reason: string) {
  await tx.query(
    "UPDATE webhook_endpoint SET status = 'DISABLED', disabled_reason = $3 WHERE tenant_id = $1 AND id = $2",
    [tenantId, endpointId, reason],
  );
  await buryPending(tx, tenantId, endpointId, `the endpoint is disabled: ${reason}`);
}

export async function buryPending(tx: Transaction, tenantId: string, endpointId: string, reason: string) {
  await tx.query(
    `UPDATE webhook_delivery SET status = 'DEAD', dead_reason = $3, next_attempt_at = NULL
     WHERE tenant_id = $1 AND endpoint_id = $2 AND status = 'PENDING'`,
    [tenantId, endpointId, reason],
  );
}

export interface DueDelivery extends DeliveryRef {
  readonly dueAt: Date;
}

/** Deliveries due for at least `overdueMs`, the longest due first, in pages: pass the last one to go on. */
export async function overdueDeliveries(
  database: Database,
  overdueMs: number,
  limit: number,
  after?: DueDelivery,
): Promise<readonly DueDelivery[]> {
  const { rows } = await database.pool.query<{
    tenant_id: string;
    id: string;
    attempt_count: number;
    next_attempt_at: Date;
  }>(
    `SELECT tenant_id, id, attempt_count, next_attempt_at FROM webhook_delivery
     WHERE next_attempt_at <= now() - $1 * interval '1 millisecond'
       AND (next_attempt_at, id) > ($3::timestamptz, $4::text)
     ORDER BY next_attempt_at, id LIMIT $2`,
    [overdueMs, limit, after?.dueAt ?? new Date(0), after?.deliveryId ?? ""],
  );
  return rows.map((row) => ({
    tenantId: row.tenant_id,
    deliveryId: row.id,
    attemptCount: row.attempt_count,
    dueAt: row.next_attempt_at,
  }));
}

/**
 * The attempt that began last has not ended: it is being sent, or its process died. Sending it again then would be a second
 * sender beside the first.
 */
const IN_FLIGHT = `status = 'PENDING' AND attempt_count > 0 AND NOT EXISTS (
  SELECT 1 FROM webhook_attempt a
  WHERE a.tenant_id = webhook_delivery.tenant_id AND a.delivery_id = webhook_delivery.id
    AND a.number = webhook_delivery.attempt_count)`;

/**
 * Starts a new schedule of retries, at once: for one delivery that is not being sent right now, or for dead letters. Answers
 * those it started, oldest first.
 */
export async function replayDeliveries(
  tx: Transaction,
  tenantId: string,
  which: { readonly deliveryId: string } | { readonly deadLettersOf: string },
): Promise<readonly DeliveryRef[]> {
  const [condition, value] =
    "deliveryId" in which
      ? [`id = $2 AND NOT (${IN_FLIGHT})`, which.deliveryId]
      : ["endpoint_id = $2 AND status = 'DEAD'", which.deadLettersOf];
  const { rows } = await tx.query<{ id: string; attempt_count: number }>(
    `UPDATE webhook_delivery
     SET status = 'PENDING', dead_reason = NULL, next_attempt_at = now(), schedule_start = attempt_count
     WHERE tenant_id = $1 AND ${condition} RETURNING id, attempt_count`,
    [tenantId, value],
  );
  return rows
    .map((row) => ({ tenantId, deliveryId: row.id, attemptCount: row.attempt_count }))
    .sort((a, b) => (a.deliveryId < b.deliveryId ? -1 : 1));
}

export async function countPending(database: Database): Promise<number> {
  const { rows } = await database.pool.query<{ count: number }>(
    "SELECT count(*)::int AS count FROM webhook_delivery WHERE next_attempt_at IS NOT NULL",
  );
  return rows[0]?.count ?? 0;
}
