import { createHmac } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { placeOf, type Received, SECRET_BYTES } from "../terms/webhooks.js";
import type { Judged } from "./judged.js";

interface PlannedRow {
  readonly url: string;
  readonly place: string;
  readonly event: string;
  readonly type: string;
  readonly sequence: number;
  readonly time: string;
  readonly data: unknown;
}

const PLANNED = `SELECT e.url, d.endpoint_sequence::text AS place, n.tenant_id || ' ' || n.event_id AS event, n.type, n.sequence, n.data,
  to_char(n.time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS time
  FROM webhook_delivery d JOIN webhook_endpoint e ON e.tenant_id = d.tenant_id AND e.id = d.endpoint_id
  JOIN notice n ON n.tenant_id = coalesce(nullif(d.event_tenant_id, ''), d.tenant_id) AND n.event_id = d.event_id`;
/** Told by notification itself: in no log. */
const OWN_TYPE = "webhook.endpoint.disabled";

interface Body {
  readonly type: string;
  readonly timestamp: string;
  readonly sequence: string;
  readonly endpointSequence: string;
  readonly data: { readonly tenantId?: string };
}

interface AnnouncedRecord {
  readonly id: string;
  readonly type: string;
  readonly time: string;
  readonly data: { readonly tenantId: string };
}

/** What was right when it was looked at stays right. */
const right = new WeakSet<Received>();

/** Each body says what was announced, is signed with its endpoint's secret, and has one id for each event. */
export async function judgeBodies({ notification, announced, alerts, received }: Judged): Promise<string[]> {
  const fresh = received().filter((one) => !right.has(one));
  if (fresh.length === 0) return [];
  const rows = await notification<PlannedRow>(PLANNED);
  const planned = new Map(rows.map((row) => [`${row.url} ${row.place}`, row]));
  const records = new Map(
    [...announced(), ...alerts()].map((text) => {
      const record = JSON.parse(text) as AnnouncedRecord;
      return [`${record.data.tenantId} ${record.id}`, record];
    }),
  );
  const wrong = fresh.flatMap((one) => {
    const body = JSON.parse(one.body) as Body;
    const what = `delivery ${body.endpointSequence} at ${one.url}`;
    const plan = planned.get(placeOf(one));
    if (plan === undefined) return [`${what} was never planned`];
    const found = [...wronglySigned(one), ...wronglyTold(body, plan, records.get(plan.event))];
    if (found.length === 0) right.add(one);
    return found.map((part) => `${what}: ${part}`);
  });
  return [...wrong, ...wronglyNamed(received(), planned)];
}

/** By hand: a library would compare the time with the real one. */
function wronglySigned({ id, timestamp, signature, body }: Received): string[] {
  const digest = createHmac("sha256", SECRET_BYTES).update(`${id}.${timestamp}.${body}`).digest("base64");
  return signature === `v1,${digest}` ? [] : ["its signature is not that of its body"];
}

function wronglyTold(body: Body, plan: PlannedRow, record: AnnouncedRecord | undefined): string[] {
  const { type, timestamp, sequence, data } = body;
  const isOwn = plan.type === OWN_TYPE;
  if (!isOwn && record === undefined) return [`${plan.event} was never announced`];
  const { time, data: announced } = record ?? plan;
  const wrong: string[] = [];
  if (type !== plan.type || (record !== undefined && record.type !== `metrly.${type}.v1`))
    wrong.push(`its type is ${type}`);
  if (timestamp !== time) wrong.push(`it is of ${timestamp} and was announced as of ${time}`);
  if (sequence !== `${plan.sequence}`) wrong.push(`it has sequence ${sequence}, and its notice ${plan.sequence}`);
  if (!isDeepStrictEqual(data, announced))
    wrong.push(`it says ${JSON.stringify(data)}, and announced was ${JSON.stringify(announced)}`);
  return wrong;
}

/** Receivers tell events apart by their ids. */
function wronglyNamed(received: readonly Received[], planned: ReadonlyMap<string, PlannedRow>): string[] {
  const [ids, events] = [new Map<string, string>(), new Map<string, string>()];
  return received.flatMap((one) => {
    const { id } = one;
    const { event } = planned.get(placeOf(one)) ?? {};
    if (event === undefined) return [];
    const [known, named] = [ids.get(event) ?? id, events.get(id) ?? event];
    ids.set(event, known);
    events.set(id, named);
    return known === id && named === event ? [] : [`${event} has the id ${id}, which is another's, or another id`];
  });
}
