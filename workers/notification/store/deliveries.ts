import { maskedUrl } from "#kernel/masked-url.js";
import type { Database, Transaction } from "#platform/database/database.js";
import type { EndpointDisabled, Notice } from "../rules/notice.js";
import { toldTenant } from "../rules/operators.js";
import { type AttemptResult, DISABLE_AFTER_FAILING_MS, type Verdict } from "../rules/retry.js";
import { announce, type DeliveryRef, type EndpointRef } from "./notices.js";

/** A delivery leased to this worker. */
export interface ClaimedDelivery {
  readonly tenantId: string;
  readonly deliveryId: string;
  readonly endpointId: string;
  /** Whose event it is: any tenant's, if the endpoint is an operator's. */
  readonly eventTenantId: string;
  readonly eventId: string;
  readonly eventType: string;
  readonly payload: string;
  readonly url: string;
  /** Undefined: the endpoint is enabled. Otherwise the reason why not. */
  readonly endpointClosed: string | undefined;
  /** The valid secrets, newest first. */
  readonly secrets: readonly string[];
  /** The delivery's total attempt number, which also fences `finishAttempt`. */
  readonly attempt: number;
  /** The attempt's number in the current retry schedule, from 1. */
  readonly scheduleAttempt: number;
}

/** Tolerance: a job may run a moment before its delivery is due by the database's clock. */
const EARLY_MS = 1_000;

/**
 * Claims a due delivery; undefined: not due, claimed by another, or finished. Its next attempt time becomes the end of the
 * lease: if this process dies, the delivery is due again then. Ignores a pause, since an operator requested it.
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
  return rows[0] && claimedOf(rows[0]);
}

/** Claims an endpoint's longest due deliveries, at most `limit`; none while it is paused. */
export async function claimDue(
  database: Database,
  { tenantId, endpointId }: EndpointRef,
  limit: number,
  leaseMs: number,
): Promise<ClaimedDelivery[]> {
  const { rows } = await database.pool.query<ClaimedRow>({
    name: "claim-due",
    // Materialized: a subquery may be evaluated again for each joined row, and exceed its limit.
    text: `WITH due AS MATERIALIZED (
         SELECT id FROM webhook_delivery
         WHERE tenant_id = $1 AND endpoint_id = $4 AND next_attempt_at <= now() + $3 * interval '1 millisecond'
         ORDER BY next_attempt_at LIMIT $5 FOR UPDATE SKIP LOCKED)
       ${CLAIM}, due WHERE d.tenant_id = $1 AND d.id = due.id
         AND e.tenant_id = $1 AND e.id = $4 AND (e.paused_until IS NULL OR e.paused_until <= now()) ${CLAIMED}`,
    values: [tenantId, leaseMs, EARLY_MS, endpointId, limit],
  });
  return rows.map(claimedOf);
}

const CLAIM = `UPDATE webhook_delivery d
  SET attempt_count = d.attempt_count + 1, next_attempt_at = now() + $2 * interval '1 millisecond'
  FROM webhook_endpoint e`;
const CLAIMED = `RETURNING d.tenant_id AS "tenantId", d.id AS "deliveryId", d.endpoint_id AS "endpointId",
  coalesce(nullif(d.event_tenant_id, ''), d.tenant_id) AS "eventTenantId", d.event_id AS "eventId", d.event_type AS "eventType", d.payload, d.attempt_count AS attempt,
  d.attempt_count - d.schedule_start AS "scheduleAttempt", e.url, e.status, e.deleted_at IS NOT NULL AS "isDeleted",
  ARRAY(SELECT s.secret FROM webhook_secret s
        WHERE s.tenant_id = e.tenant_id AND s.endpoint_id = e.id AND (s.expires_at IS NULL OR s.expires_at > now())
        ORDER BY s.id DESC) AS secrets`;

interface ClaimedRow extends Omit<ClaimedDelivery, "endpointClosed"> {
  readonly status: string;
  readonly isDeleted: boolean;
}

function claimedOf({ status, isDeleted, ...row }: ClaimedRow): ClaimedDelivery {
  const disabled = status === "ENABLED" ? undefined : "the endpoint is disabled";
  return { ...row, endpointClosed: isDeleted ? ENDPOINT_DELETED : disabled };
}

export const ENDPOINT_DELETED = "the endpoint was deleted";

/** The pause of an endpoint after so many consecutive failures, ms. */
export type PauseAfter = (failures: number) => number;

/**
 * Records an attempt and its consequences, in one transaction. A failure noted by a worker with an expired lease leaves the
 * delivery as it is, and counts for the endpoint; a success counts for both, because the receiver has the event.
 */
export async function finishAttempt(
  database: Database,
  claimed: ClaimedDelivery,
  result: AttemptResult,
  verdict: Verdict,
  pauseAfter: PauseAfter,
): Promise<EndpointDisabling | undefined> {
  const noted = database.transaction(async (tx) => {
    // The endpoint first: closing locks it and then its deliveries, and another order would deadlock.
    const disabled = await tellEndpoint(tx, claimed, verdict, pauseAfter);
    await insertAttempt(tx, claimed, result);
    await applyVerdict(tx, claimed, verdict);
    return disabled;
  });
  return noted.catch((error) => {
    if (error instanceof RacedByFailure) return finishAttempt(database, claimed, result, verdict, pauseAfter);
    throw error;
  });
}

/** A possible consequence of an attempt: its endpoint is disabled, and other endpoints are notified. */
export interface EndpointDisabling extends EndpointDisabled {
  readonly planned: readonly DeliveryRef[];
}

/** Ends a delivery without another attempt. */
export async function deadLetter(database: Database, claimed: ClaimedDelivery, reason: string): Promise<void> {
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

/** Tracks an endpoint's failures: pauses it after consecutive ones, disables it when gone or failing for too long. */
async function tellEndpoint(
  tx: Transaction,
  claimed: ClaimedDelivery,
  verdict: Verdict,
  pauseAfter: PauseAfter,
): Promise<EndpointDisabling | undefined> {
  const key = [claimed.tenantId, claimed.endpointId];
  if (verdict.kind === "delivered") {
    const { rowCount } = await tx.query(
      `UPDATE webhook_endpoint SET failing_since = NULL, failures_in_a_row = 0, paused_until = NULL
       WHERE tenant_id = $1 AND id = $2 AND failing_since IS NOT NULL`,
      key,
    );
    if (rowCount === 0 && (await hasFailedSince(tx, key))) throw new RacedByFailure();
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

/** Another process noted a failure of the endpoint while this one noted a success, which is later: note it again. */
class RacedByFailure extends Error {}

/**
 * Whether a failure was noted that the statement before did not see: its transaction was open. Waits for its end, and keeps
 * failures waiting until this transaction ends; successes don't wait for each other.
 */
async function hasFailedSince(tx: Transaction, key: readonly string[]): Promise<boolean> {
  const { rows } = await tx.query<{ isFailing: boolean }>(
    `SELECT failing_since IS NOT NULL AS "isFailing" FROM webhook_endpoint WHERE tenant_id = $1 AND id = $2 FOR SHARE`,
    [...key],
  );
  return rows[0]?.isFailing === true;
}

/**
 * Disables an endpoint; its pending deliveries, including one being sent, become dead letters, which can be replayed. The
 * tenant's other subscribed endpoints, and operators', are notified.
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
  const deadLetters = await deadLetterPending(tx, tenantId, endpointId, `the endpoint is disabled: ${reason}`);
  const [row] = rows;
  if (row === undefined) return undefined;
  const at = row.at.toISOString();
  const data = { tenantId: toldTenant(tenantId), endpointId, url: maskedUrl(row.url), reason, deadLetters, at };
  const eventId = `endpoint-disabled:${endpointId}:${deliveryId}:${attempt}`;
  const notice: Notice = { type: "webhook.endpoint.disabled", tenantId, eventId, time: at, data };
  return { ...data, planned: (await announce(tx, [notice])).planned };
}

/** Makes an endpoint's pending deliveries dead letters; returns their number. */
export async function deadLetterPending(
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

/** Endpoints with a delivery due for `overdueMs` that are not paused, after `after`. */
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

/** The due time of the longest due delivery to an endpoint that is not paused; undefined: none is overdue by `overdueMs`. */
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

/** The last attempt has not finished: it is running, or its process died. Sending now would duplicate a running attempt. */
const IN_FLIGHT = `status = 'PENDING' AND attempt_count > 0 AND NOT EXISTS (
  SELECT 1 FROM webhook_attempt a
  WHERE a.tenant_id = webhook_delivery.tenant_id AND a.delivery_id = webhook_delivery.id
    AND a.number = webhook_delivery.attempt_count)`;

/**
 * Restarts the retry schedule, immediately: for one delivery that is not being sent, or for dead letters. Returns the restarted
 * ones, oldest first.
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
