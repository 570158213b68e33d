import { DAY_MS, MINUTE_MS } from "#kernel/duration.js";
import type { KeyedItem } from "#schema/columns/received.js";
import type { MeterState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import { readMeter } from "#schema/meters/meter-reading.js";
import { MAX_AGE_DAYS, MAX_AHEAD_MINUTES, MAX_EVENT_BYTES } from "#schema/openapi/limits.js";
import { firstPeriodStart, isMeterActive, tenantNow } from "#schema/tenancy-history.js";
import { hasEnded } from "#schema/vocabulary.js";
import { canonicalData, MAX_DATA_DEPTH } from "./canonical-data.js";
import { readEnvelope } from "./event-envelope.js";
import { eventDigest, fingerprintDigest } from "./fingerprint.js";
import { type Refusal, refuse } from "./refusal.js";

const MAX_AGE_MS = MAX_AGE_DAYS * DAY_MS;
const MAX_AHEAD_MS = MAX_AHEAD_MINUTES * MINUTE_MS;

export type Acceptance =
  | {
      readonly kind: "accepted";
      readonly item: KeyedItem;
      /** No meter that this process knows counts the type. */
      readonly isUnmetered: boolean;
    }
  | Refusal;

/** The edge's state when an item arrives. */
export interface Arrival {
  /** Epoch ms. */
  readonly now: number;
  /** The key's tenant; null: a platform key, `subject` names the tenant. */
  readonly keyTenantId: string | null;
  readonly tenancyVersion: number;
  /** Whether events of any age are taken. */
  readonly isImport: boolean;
  tenant(id: string): TenantState | undefined;
  metersOfType(type: string): readonly MeterState[];
}

/** Validates one CloudEvent for billing. All later stages rely on these checks. */
export function acceptItem(event: unknown, arrival: Arrival): Acceptance {
  const envelope = readEnvelope(event);
  if (envelope.kind === "rejected") return envelope;
  const found = tenantOf(envelope.subject, arrival);
  if (found.kind === "rejected") return found;
  const { tenant } = found;
  const clock = tenantNow(tenant, arrival.now);
  const time = envelope.time ?? clock;
  const untimely = refuseAfterClosing(time, tenant) ?? refuseTime(time, clock, tenant, arrival);
  if (untimely !== undefined) return untimely;
  const data = canonicalData(envelope.data);
  if (data === undefined) return refuse("INVALID", `data: nested deeper than ${MAX_DATA_DEPTH} levels`);
  if (isTooLarge(data, event)) return refuse("TOO_LARGE", `An event has at most ${MAX_EVENT_BYTES} bytes`);
  const metering = meteringOf(envelope.type, envelope.data, arrival);
  if (typeof metering !== "boolean") return metering;
  const { source, id, type } = envelope;
  const tenantId = tenant.id;
  const key = eventDigest(tenantId, source, id);
  const fingerprint = fingerprintDigest(tenantId, type, data);
  const item = { tenantId, source, id, type, time, receivedAt: arrival.now, data, key, fingerprint };
  return {
    kind: "accepted",
    item: arrival.isImport ? { ...item, imported: true } : item,
    isUnmetered: !metering,
  };
}

type FoundTenant = { readonly kind: "found"; readonly tenant: TenantState } | Refusal;

function tenantOf(subject: string | undefined, arrival: Arrival): FoundTenant {
  const { keyTenantId } = arrival;
  if (keyTenantId !== null && subject !== undefined && subject !== keyTenantId)
    return refuse("SUBJECT_MISMATCH", `subject: this key belongs to another tenant than "${subject.slice(0, 64)}"`);
  const id = keyTenantId ?? subject;
  if (id === undefined) return refuse("SUBJECT_REQUIRED", "subject: a platform key must name the tenant here");
  const tenant = arrival.tenant(id);
  return tenant === undefined
    ? refuse("NOT_FOUND", `subject: there is no tenant "${id.slice(0, 64)}"`)
    : { kind: "found", tenant };
}

/** Usage from before a tenant's closing arrives after it as a rule: senders buffer. */
function refuseAfterClosing(time: number, tenant: TenantState): Refusal | undefined {
  if (!hasEnded(tenant.status)) return undefined;
  const { closedAt = null } = tenant;
  if (closedAt === null) return refuse("TENANT_CLOSED", `Tenant ${tenant.id} is closed`);
  if (time < closedAt) return undefined;
  const moment = new Date(closedAt).toISOString();
  return refuse("TENANT_CLOSED", `Tenant ${tenant.id} is closed since ${moment}; usage from before then is accepted`);
}

function refuseTime(
  time: number,
  clock: number,
  tenant: TenantState,
  { isImport }: Pick<Arrival, "isImport">,
): Refusal | undefined {
  if (!isImport && time < clock - MAX_AGE_MS)
    return refuse(
      "TIME_OUT_OF_RANGE",
      `time: more than ${MAX_AGE_DAYS} days ago; older events are imported with ?import=true`,
    );
  if (time > clock + MAX_AHEAD_MS)
    return refuse("TIME_OUT_OF_RANGE", `time: more than ${MAX_AHEAD_MINUTES} minutes ahead`);
  const start = startOf(tenant);
  if (time < start)
    return refuse("BEFORE_FIRST_PERIOD", `time: before the tenant's first period, ${new Date(start).toISOString()}`);
  return undefined;
}

/** Consecutive events usually are of one tenant. */
let last: { readonly tenant: TenantState | undefined; readonly start: number } = { tenant: undefined, start: 0 };

function startOf(tenant: TenantState): number {
  if (last.tenant !== tenant) last = { tenant, start: firstPeriodStart(tenant) };
  return last.start;
}

/** Whether there is a meter of the type. Checks all: a value that one of them cannot read would be quarantined later. */
function meteringOf(type: string, data: unknown, arrival: Arrival): Refusal | boolean {
  let isMetered = false;
  for (const meter of arrival.metersOfType(type)) {
    if (!isMeterActive(meter, arrival.tenancyVersion)) continue;
    const reading = readMeter(meter, data);
    if (reading.kind === "invalid") return refuse("INVALID", `${reading.path}: ${reading.reason}`);
    isMetered = true;
  }
  return isMetered;
}

/** An upper bound for the rest of an event: only events near the limit are measured exactly. */
const ENVELOPE_BYTES = 4_096;

/** Measured as compact JSON. */
function isTooLarge(data: string, event: unknown): boolean {
  const dataBytes = Buffer.byteLength(data);
  if (dataBytes > MAX_EVENT_BYTES) return true;
  return dataBytes > MAX_EVENT_BYTES - ENVELOPE_BYTES && Buffer.byteLength(JSON.stringify(event)) > MAX_EVENT_BYTES;
}
