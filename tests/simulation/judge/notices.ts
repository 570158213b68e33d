import { ENDPOINTS, type EndpointTerms, placeOf, type Received } from "../terms/webhooks.js";
import { judgeAttempts } from "./attempts.js";
import { judgeBodies } from "./bodies.js";
import type { Judged } from "./judged.js";

interface NoticeRow {
  readonly tenant: string;
  readonly number: number;
  readonly sequence: number;
  readonly event: string;
  readonly type: string;
}

interface DeliveryRow {
  readonly endpoint: string;
  readonly place: number;
  readonly event: string;
  readonly status: string;
  readonly attempts: number;
  /** Why it is dead. */
  readonly reason: string;
  /** Whether the tenth attempt's outcome is. */
  readonly isLastKnown: boolean;
}

const NOTICES = `SELECT tenant_id AS tenant, number, sequence, event_id AS event, type FROM notice ORDER BY tenant_id, number`;
const DELIVERIES = `SELECT endpoint_id AS endpoint, endpoint_sequence AS place, status, attempt_count AS attempts, coalesce(dead_reason, '') AS reason,
  EXISTS (SELECT 1 FROM webhook_attempt a WHERE a.tenant_id = d.tenant_id AND a.delivery_id = d.id AND a.number = 10) AS "isLastKnown",
  coalesce(nullif(event_tenant_id, ''), tenant_id) || ' ' || event_id AS event
  FROM webhook_delivery d ORDER BY endpoint_id, endpoint_sequence`;
const DISABLED = "SELECT id FROM webhook_endpoint WHERE status <> 'ENABLED'";
/** Told by notification itself. */
const OWN_TYPE = "webhook.endpoint.disabled";
const MOST_ATTEMPTS = 10;
/** In the reasons of deliveries that end with their endpoint. */
const OF_ENDPOINT = "the endpoint is disabled";

const streamOf = (type: string): string => (type.startsWith("quota.") ? "quota" : type);

/** What must be true at any moment: notices are numbered without gaps, and a receiver is told one thing in one way, as it was announced. */
export async function judgeNotices(judged: Judged): Promise<string[]> {
  return [
    ...misnumbered(await judged.notification<NoticeRow>(NOTICES)),
    ...toldInTwoWays(judged.received()),
    ...(await judgeBodies(judged)),
    ...(await judgeAttempts(judged)),
  ];
}

function misnumbered(notices: readonly NoticeRow[]): string[] {
  const last = new Map<string, number>();
  const wrong: string[] = [];
  for (const { tenant, number, sequence, type } of notices)
    for (const [stream, place] of [
      [`all of ${tenant}`, number] as const,
      [`${streamOf(type)} of ${tenant}`, sequence] as const,
    ]) {
      const before = last.get(stream) ?? 0;
      if (place !== before + 1) wrong.push(`${stream}: notice ${place} follows ${before}`);
      last.set(stream, place);
    }
  return wrong;
}

function toldInTwoWays(received: readonly Received[]): string[] {
  const first = new Map<string, Received>();
  const wrong: string[] = [];
  for (const one of received) {
    const place = placeOf(one);
    const before = first.get(place);
    if (before === undefined) first.set(place, one);
    else if (before.id !== one.id || before.body !== one.body) wrong.push(`${place} was told two things`);
  }
  return wrong;
}

/** What must be true when no delivery waits: each event is one notice, which its endpoints got or which is dead for a reason. */
export async function judgeNoticesAtRest(judged: Judged): Promise<string[]> {
  const { notification, announced, alerts, received } = judged;
  const notices = await notification<NoticeRow>(NOTICES);
  const deliveries = await notification<DeliveryRow>(DELIVERIES);
  const disabled = new Set((await notification<{ id: string }>(DISABLED)).map(({ id }) => id));
  const accepted = new Set(
    received()
      .filter(({ status }) => status === 200)
      .map(placeOf),
  );
  return [
    ...(await judgeNotices(judged)),
    ...notAsAnnounced(notices, [...announced(), ...alerts()]),
    ...ENDPOINTS.flatMap((endpoint) => {
      const own = deliveries.filter(({ endpoint: id }) => id === endpoint.id);
      return [...wronglyPlanned(endpoint, notices, own, disabled), ...wronglyEnded(endpoint, own, accepted, disabled)];
    }),
    ...untoldEnds(notices, disabled),
  ];
}

function notAsAnnounced(notices: readonly NoticeRow[], texts: readonly string[]): string[] {
  const announced = new Set(
    texts.map((text) => {
      const { id, data } = JSON.parse(text) as { id: string; data: { tenantId: string } };
      return `${data.tenantId} ${id}`;
    }),
  );
  const wrong: string[] = [];
  const seen = new Set<string>();
  for (const { tenant, event, type } of notices) {
    const key = `${tenant} ${event}`;
    if (seen.has(key)) wrong.push(`${key} is noticed twice`);
    if (type !== OWN_TYPE && !announced.has(key)) wrong.push(`${key} is noticed and was never announced`);
    seen.add(key);
  }
  for (const key of announced) if (!seen.has(key)) wrong.push(`${key} was announced and is not noticed`);
  return wrong;
}

function wronglyPlanned(
  { tenantId, id, eventTypes }: EndpointTerms,
  notices: readonly NoticeRow[],
  deliveries: readonly DeliveryRow[],
  disabled: ReadonlySet<string>,
): string[] {
  const wanted = new Set(
    notices
      .filter(({ tenant, type }) => (tenantId === "" || tenant === tenantId) && eventTypes.includes(type))
      .map(({ tenant, event }) => `${tenant} ${event}`),
  );
  const wrong: string[] = [];
  for (const [index, { place, event }] of deliveries.entries()) {
    if (place !== index + 1) wrong.push(`delivery ${place} of ${id} is in place ${index + 1}`);
    if (!wanted.delete(event)) wrong.push(`${event} is planned for ${id} twice, or is not for it`);
  }
  // What came after its end is not for it.
  if (!disabled.has(id)) for (const event of wanted) wrong.push(`${event} is not planned for ${id}`);
  return wrong;
}

function wronglyEnded(
  { id, url }: EndpointTerms,
  deliveries: readonly DeliveryRow[],
  accepted: ReadonlySet<string>,
  disabled: ReadonlySet<string>,
): string[] {
  return deliveries.flatMap(({ place, status, attempts, reason, isLastKnown }) => {
    const what = `delivery ${place} of ${id} is ${status} after ${attempts} attempts`;
    if (status === "DELIVERED")
      return accepted.has(`${url} ${place}`) ? [] : [`${what}, and its receiver never took it`];
    if (status !== "DEAD") return [what];
    if (reason.includes(OF_ENDPOINT)) return disabled.has(id) ? [] : [`${what}, and its endpoint is not disabled`];
    // More were begun when nobody knows what became of the last.
    return attempts === MOST_ATTEMPTS || (attempts > MOST_ATTEMPTS && !isLastKnown) ? [] : [what];
  });
}

function untoldEnds(notices: readonly NoticeRow[], disabled: ReadonlySet<string>): string[] {
  const told = notices.filter(({ type }) => type === OWN_TYPE).map(({ event }) => event.split(":")[1] ?? "");
  const wrong = told.filter((id) => !disabled.has(id)).map((id) => `${id} was said to be disabled and is not`);
  if (new Set(told).size !== told.length) wrong.push(`an end is told twice: ${told.join(", ")}`);
  for (const id of disabled) if (!told.includes(id)) wrong.push(`${id} is disabled, and nobody was told`);
  return wrong;
}
