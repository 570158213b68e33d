import { ENDPOINTS, placeOf, type Received } from "../terms/webhooks.js";
import type { Judged } from "./judged.js";

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const MOST_ATTEMPTS = 10;
/** A job may run so much before its delivery is due. */
const EARLY_MS = SECOND_MS;
/** A delivery whose process does not say what became of it is due again after so long. */
const LEASE_MS = MINUTE_MS;
const LONGEST_PAUSE_MS = 10 * MINUTE_MS;
/**
 * How much later than its lease begins, an attempt may: under faults its process may be frozen in between. A next attempt that
 * begins after the rest of the lease may be due to its end.
 */
const LATE_UNDER_FAULTS_MS = 45 * SECOND_MS;
const LATE_MS = 10 * SECOND_MS;
/** Nine random delays, of which the last have caps of 12, 36 and 109 hours, are that short together in one of a million deliveries. */
const SHORTEST_SCHEDULE_MS = 2 * HOUR_MS;
const DISABLED_AFTER_MS = 5 * DAY_MS;

interface AttemptRow {
  readonly url: string;
  readonly place: number;
  readonly number: number;
  readonly at: number;
  /** The order of the notes. A process may freeze between the end of an attempt and its note. */
  readonly noted: number;
  readonly isFailed: boolean;
}

/** An attempt that arrived, and its number, if its process could say what became of it. */
interface Attempt extends Received {
  readonly number: number | undefined;
}

const ATTEMPTS = `SELECT e.url, d.endpoint_sequence AS place, a.number, (extract(epoch FROM a.at) * 1000)::float8 AS at,
  a.noted::float8 AS noted, a.error IS NOT NULL AS "isFailed"
  FROM webhook_attempt a JOIN webhook_delivery d ON d.tenant_id = a.tenant_id AND d.id = a.delivery_id
  JOIN webhook_endpoint e ON e.tenant_id = d.tenant_id AND e.id = d.endpoint_id ORDER BY a.at`;
const ENDS = `SELECT split_part(event_id, ':', 2) AS id, (extract(epoch FROM time) * 1000)::float8 AS at
  FROM notice WHERE type = 'webhook.endpoint.disabled'`;

/**
 * Lets the database number the notes of attempts in their order. Their transactions' numbers have another one: a transaction has its
 * number when it begins to wait for the endpoint, and what the simulation runs under a savepoint gets a later one.
 */
export async function numberNotes(notification: Judged["notification"]): Promise<void> {
  await notification("ALTER TABLE webhook_attempt ADD COLUMN noted bigint GENERATED ALWAYS AS IDENTITY");
}

/** Attempts come when they may, and an endpoint is only disabled for a reason. */
export async function judgeAttempts({ notification, received, quietSince, leaps }: Judged): Promise<string[]> {
  const rows = await notification<AttemptRow>(ATTEMPTS);
  const numbers = new Map(rows.map(({ url, place, at, number }) => [`${url} ${place} ${at}`, number]));
  const deliveries = new Map<string, Attempt[]>();
  const perUrl = new Map<string, number>();
  for (const one of received()) {
    const place = placeOf(one);
    const attempts = deliveries.get(place) ?? [];
    if (attempts.length === 0) perUrl.set(one.url, (perUrl.get(one.url) ?? 0) + 1);
    deliveries.set(place, [...attempts, { ...one, number: numbers.get(`${place} ${one.startedAt}`) }]);
  }
  const ends = await notification<{ id: string; at: number }>(ENDS);
  return [
    ...[...deliveries].flatMap(([place, attempts]) => [
      ...tooMany(place, attempts),
      ...tooEarly(place, attempts, quietSince(), leaps()),
      ...tooLate(place, attempts, quietSince(), perUrl.get(attempts[0]?.url ?? "") ?? 0),
    ]),
    ...ends.flatMap(({ id, at }) => wronglyDisabled(id, at, rows, received())),
  ];
}

function tooMany(place: string, attempts: readonly Attempt[]): string[] {
  const wrong = attempts.length > MOST_ATTEMPTS ? [`${place} was sent ${attempts.length} times`] : [];
  const [first, last] = [attempts[0]?.startedAt ?? 0, attempts[MOST_ATTEMPTS - 1]?.startedAt];
  if (last !== undefined && last - first < SHORTEST_SCHEDULE_MS)
    wrong.push(`${place} was sent ${MOST_ATTEMPTS} times in ${last - first} ms`);
  return wrong;
}

/** Not before the time that the answer to an earlier one asked for, if its process got that and could note it before its lease ended. */
function tooEarly(place: string, attempts: readonly Attempt[], quietSince: number, leaps: readonly number[]): string[] {
  return attempts.flatMap(({ number, startedAt, answeredAt, retryAfterMs = 0 }) => {
    if (number === undefined || answeredAt === undefined) return [];
    // Its lease may have begun before a leap, and so ended before the attempt began.
    if (leaps.some((at) => at <= startedAt && startedAt <= at + LATE_UNDER_FAULTS_MS)) return [];
    const late = startedAt >= quietSince ? LATE_MS : LATE_UNDER_FAULTS_MS;
    const until = Math.min(answeredAt + retryAfterMs - EARLY_MS, startedAt + LEASE_MS - EARLY_MS - late);
    return attempts
      .filter(({ startedAt: at }) => at > answeredAt && at < until)
      .map(({ startedAt: at }) => `${place} was to wait ${retryAfterMs} ms after ${answeredAt} and was sent at ${at}`);
  });
}

/**
 * Without faults, the next attempt follows within the cap of its delay or what its receiver asked for; others to the same endpoint
 * may come before it, of which each may bring a pause.
 */
function tooLate(place: string, attempts: readonly Attempt[], quietSince: number, rivals: number): string[] {
  return attempts.flatMap(({ number, startedAt, retryAfterMs = 0 }, index) => {
    const next = attempts[index + 1];
    if (number === undefined || next === undefined || startedAt < quietSince) return [];
    const delay = Math.max(MINUTE_MS * 3 ** (number - 1), retryAfterMs);
    const waited = next.startedAt - startedAt;
    return waited <= delay + rivals * (LONGEST_PAUSE_MS + LEASE_MS)
      ? []
      : [`${place} was sent again ${waited} ms after attempt ${number}`];
  });
}

/**
 * Its receiver said that it is gone, and a process heard that; or an attempt has failed five days before, and none was noted as a
 * success since. A success of the last hour may have been noted after the end.
 */
function wronglyDisabled(id: string, at: number, rows: readonly AttemptRow[], received: readonly Received[]): string[] {
  const url = ENDPOINTS.find((endpoint) => endpoint.id === id)?.url;
  const own = rows.filter((row) => row.url === url && row.at <= at);
  if (received.some((one) => one.url === url && one.status === 410 && one.answeredAt !== undefined)) return [];
  const successes = own.filter((row) => !row.isFailed && row.at < at - HOUR_MS);
  const lastSuccess = Math.max(0, ...successes.map(({ noted }) => noted));
  if (own.some((row) => row.isFailed && row.noted > lastSuccess && row.at <= at - DISABLED_AFTER_MS)) return [];
  return [`${id} is disabled, and its receiver is neither gone nor has failed for five days`];
}
