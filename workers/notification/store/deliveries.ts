import type { Database, Transaction } from "#platform/database/database.js";
import type { EndpointDisabled, Notice } from "../rules/notice.js";
import { type AttemptResult, DISABLE_AFTER_FAILING_MS, type Verdict } from "../rules/retry.js";
import { announce, type DeliveryRef, type EndpointRef } from "./notices.js";

/** A delivery that this worker alone may send until its lease runs out. */
export interface ClaimedDelivery {
  readonly tenantId: string;
  readonly deliveryId: string;
  readonly endpointId: string;
  readonly eventId: string;
  readonly eventType: string;
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
 * is the end of the lease: if this process dies, the delivery is simply due again then. A pause of its endpoint does not hold it
 * up: it was asked for by somebody who waits.
 */
export async function claimDelivery(
  database: Database,
  tenantId: string,
  deliveryId: string,
  leaseMs: number,
): Promise<ClaimedDelivery | undefined> {
  const { rows } = await database.pool.query<ClaimedRow>(
    `${CLAIM} WHERE d.tenant_id = $1 AND d.id = $4 AND d.status = 'PENDING'
       AND d.next_attempt_at <= now() + $3 * interval '1 millisecond'
       AND e.tenant_id = d.tenant_id AND e.id = d.endpoint_id ${CLAIMED}`,
    [tenantId, leaseMs, EARLY_MS, deliveryId],
  );
  return rows[0] && claimedOf(tenantId, rows[0]);
}

/** Takes the deliveries of an endpoint that are due longest, at most `limit`; none while it is paused. */
export async function claimDue(
  database: Database,
  { tenantId, endpointId }: EndpointRef,
  limit: number,
  leaseMs: number,
): Promise<ClaimedDelivery[]> {
  const { rows } = await database.pool.query<ClaimedRow>({
    name: "claim-due",
    // Materialized: a subquery may be run again for each row that it is joined with, and take more than its limit.
    text: `WITH due AS MATERIALIZED (
         SELECT id FROM webhook_delivery
         WHERE tenant_id = $1 AND endpoint_id = $4 AND next_attempt_at <= now() + $3 * interval '1 millisecond'
         ORDER BY next_attempt_at LIMIT $5 FOR UPDATE SKIP LOCKED)
       ${CLAIM}, due WHERE d.tenant_id = $1 AND d.id = due.id
         AND e.tenant_id = $1 AND e.id = $4 AND (e.paused_until IS NULL OR e.paused_until <= now()) ${CLAIMED}`,
    values: [tenantId, leaseMs, EARLY_MS, endpointId, limit],
  });
  return rows.map((row) => claimedOf(tenantId, row));
}

const CLAIM = `UPDATE webhook_delivery d
  SET attempt_count = d.attempt_count + 1, next_attempt_at = now() + $2 * interval '1 millisecond'
  FROM webhook_endpoint e`;
const CLAIMED = `RETURNING d.id, d.endpoint_id, d.event_id, d.event_type, d.payload, d.attempt_count, d.schedule_start,
  e.url, e.status AS endpoint_status, e.deleted_at IS NOT NULL AS deleted,
  ARRAY(SELECT s.secret FROM webhook_secret s
        WHERE s.tenant_id = e.tenant_id AND s.endpoint_id = e.id AND (s.expires_at IS NULL OR s.expires_at > now())
        ORDER BY s.id DESC) AS secrets`;

interface ClaimedRow {
  readonly id: string;
  readonly endpoint_id: string;
  readonly event_id: string;
  readonly event_type: string;
  readonly payload: string;
  readonly url: string;
  readonly endpoint_status: string;
  readonly deleted: boolean;
  readonly secrets: string[];
  readonly attempt_count: number;
  readonly schedule_start: number;
}

function claimedOf(tenantId: string, row: ClaimedRow): ClaimedDelivery {
  return {
    tenantId,
    deliveryId: row.id,
    endpointId: row.endpoint_id,
    eventId: row.event_id,
    eventType: row.event_type,
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

/** How long an endpoint is left alone after so many failures in a row, ms. */
export type PauseAfter = (failures: number) => number;

/**
 * Records an attempt and what follows from it, in one transaction. A worker whose lease ran out changes nothing but the log
 * of attempts; only a success still counts, because the receiver has it.
 */
export async function finishAttempt(
  database: Database,
  claimed: ClaimedDelivery,
  result: AttemptResult,
  verdict: Verdict,
  pauseAfter: PauseAfter,
): Promise<EndpointDisabling | undefined> {
  return database.transaction(async (tx) => {
    // The endpoint first: who closes it locks it and then its deliveries, and two orders would deadlock.
    const disabled = await tellEndpoint(tx, claimed, verdict, pauseAfter);
    await insertAttempt(tx, claimed, result);
    await applyVerdict(tx, claimed, verdict);
    return disabled;
  });
}

/** What an attempt may end with: its endpoint is disabled, and those who asked for it are to be told. */
export interface EndpointDisabling extends EndpointDisabled {
  readonly planned: readonly DeliveryRef[];
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

/** Keeps track of how an endpoint fares: pauses one that only fails, disables one that is gone or has failed for too long. */
async function tellEndpoint(
  tx: Transaction,
  claimed: ClaimedDelivery,
  verdict: Verdict,
  pauseAfter: PauseAfter,
): Promise<EndpointDisabling | undefined> {
  const key = [claimed.tenantId, claimed.endpointId];
  if (verdict.kind === "delivered") {
    await tx.query(
      `UPDATE webhook_endpoint SET failing_since = NULL, failures_in_a_row = 0, paused_until = NULL
       WHERE tenant_id = $1 AND id = $2 AND failing_since IS NOT NULL`,
      key,
    );
    return undefined;
  }
  if (verdict.kind === "dead" && verdict.disablesEndpoint)
    return closeEndpoint(tx, claimed, "the receiver answered 410 Gone");
  const { rows } = await tx.query<{ failing_ms: number; failures: number }>(
    `UPDATE webhook_endpoint SET failing_since = coalesce(failing_since, now()), failures_in_a_row = failures_in_a_row + 1
     WHERE tenant_id = $1 AND id = $2
     RETURNING (extract(epoch FROM now() - failing_since) * 1000)::float8 AS failing_ms, failures_in_a_row AS failures`,
    key,
  );
  const { failing_ms: failingMs = 0, failures = 0 } = rows[0] ?? {};
  if (failingMs > DISABLE_AFTER_FAILING_MS) return closeEndpoint(tx, claimed, "every attempt has failed for five days");
  const pause = pauseAfter(failures);
  if (pause > 0)
    await tx.query(
      "UPDATE webhook_endpoint SET paused_until = now() + $3 * interval '1 millisecond' WHERE tenant_id = $1 AND id = $2",
      [...key, pause],
    );
  return undefined;
}

/**
 * Disables an endpoint; what was still pending for it, a delivery being sent included, becomes a dead letter that a replay
 * can revive. The tenant is told, by whatever other endpoint asks for it.
 */
async function closeEndpoint(
  tx: Transaction,
  { tenantId, endpointId, deliveryId, attempt }: ClaimedDelivery,
  reason: string,
): Promise<EndpointDisabling | undefined> {
  const { rows } = await tx.query<{ url: string; at: Date }>(
    `UPDATE webhook_endpoint SET status = 'DISABLED', disabled_reason = $3
     WHERE tenant_id = $1 AND id = $2 AND status = 'ENABLED' RETURNING url, now() AS at`,
    [tenantId, endpointId, reason],
  );
  const deadLetters = await buryPending(tx, tenantId, endpointId, `the endpoint is disabled: ${reason}`);
  const [row] = rows;
  if (row === undefined) return undefined;
  const at = row.at.toISOString();
  const data = { tenantId, endpointId, url: row.url, reason, deadLetters, at };
  const eventId = `endpoint-disabled:${endpointId}:${deliveryId}:${attempt}`;
  const notice: Notice = { type: "webhook.endpoint.disabled", tenantId, eventId, time: at, data };
  return { ...data, planned: (await announce(tx, [notice])).planned };
}

/** Makes dead letters of what is pending for an endpoint; answers how many. */
export async function buryPending(
  tx: Transaction,
  tenantId: string,
  endpointId: string,
  reason: string,
): Promise<number> {
  const { rowCount } = await tx.query(
    `UPDATE webhook_delivery SET status = 'DEAD', dead_reason = $3, next_attempt_at = NULL
     WHERE tenant_id = $1 AND endpoint_id = $2 AND status = 'PENDING'`,
    [tenantId, endpointId, reason],
  );
  return rowCount ?? 0;
}

/** Endpoints for which something has been due for `overdueMs` and that are not paused, from just after `after`. */
export async function overdueEndpoints(
  database: Database,
  overdueMs: number,
  limit: number,
  after?: EndpointRef,
): Promise<readonly EndpointRef[]> {
  const { rows } = await database.pool.query<EndpointRef>(
    `SELECT e.tenant_id AS "tenantId", e.id AS "endpointId" FROM webhook_endpoint e
     WHERE (e.tenant_id, e.id) > ($3, $4) AND (e.paused_until IS NULL OR e.paused_until <= now()) AND EXISTS (
       SELECT 1 FROM webhook_delivery d WHERE d.tenant_id = e.tenant_id AND d.endpoint_id = e.id
         AND d.next_attempt_at <= now() - $1 * interval '1 millisecond')
     ORDER BY e.tenant_id, e.id LIMIT $2`,
    [overdueMs, limit, after?.tenantId ?? "", after?.endpointId ?? ""],
  );
  return rows;
}

/** When the delivery that waits longest became due, of endpoints that are not paused; undefined: none has waited `overdueMs`. */
export async function oldestOverdue(database: Database, overdueMs: number): Promise<Date | undefined> {
  const { rows } = await database.pool.query<{ at: Date }>(
    `SELECT d.next_attempt_at AS at FROM webhook_delivery d
     JOIN webhook_endpoint e ON e.tenant_id = d.tenant_id AND e.id = d.endpoint_id
     WHERE d.next_attempt_at <= now() - $1 * interval '1 millisecond' AND (e.paused_until IS NULL OR e.paused_until <= now())
     ORDER BY d.next_attempt_at LIMIT 1`,
    [overdueMs],
  );
  return rows[0]?.at;
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
  const { rows } = await tx.query<{ id: string; endpoint_id: string; attempt_count: number }>(
    `UPDATE webhook_delivery
     SET status = 'PENDING', dead_reason = NULL, next_attempt_at = now(), schedule_start = attempt_count
     WHERE tenant_id = $1 AND ${condition} RETURNING id, endpoint_id, attempt_count`,
    [tenantId, value],
  );
  return rows
    .map(({ id, endpoint_id: endpointId, attempt_count: attemptCount }) => ({
      ...{ tenantId, endpointId, deliveryId: id, attemptCount },
    }))
    .sort((a, b) => (a.deliveryId < b.deliveryId ? -1 : 1));
}
