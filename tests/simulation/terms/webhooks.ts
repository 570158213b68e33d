import { TENANTS } from "./terms.js";

/** A webhook endpoint and who wants what there. */
export interface EndpointTerms {
  /** Empty: the operators'. */
  readonly tenantId: string;
  readonly id: string;
  readonly url: string;
  readonly eventTypes: readonly string[];
}

/** Something that arrived at a receiver, and what it answered, whether or not that came back. */
export interface Received {
  readonly url: string;
  readonly id: string;
  /** Of the headers. */
  readonly timestamp: string;
  readonly signature: string;
  readonly body: string;
  readonly status: number;
  /** It asked to wait so long. */
  readonly retryAfterMs: number | undefined;
  /** When its process began to send it. */
  readonly startedAt: number;
  /** When its process got the answer; undefined: not yet, or the answer was lost. */
  answeredAt: number | undefined;
}

/** Names the delivery that arrived: its receiver, and its number there. */
export const placeOf = ({ url, body }: Pick<Received, "url" | "body">): string =>
  `${url} ${(JSON.parse(body) as { endpointSequence: string }).endpointSequence}`;

/** Of every endpoint. */
export const SECRET_BYTES = Buffer.alloc(32, "a secret of the simulation");

const TENANT_TYPES = [
  "quota.warning",
  "quota.exceeded",
  "billing.period.closed",
  "invoice.generated",
  "webhook.endpoint.disabled",
];
const endpoint = (tenantId: string, name: string, eventTypes: readonly string[]): EndpointTerms => ({
  ...{ tenantId, id: `whe_${name}`, url: `https://${name}.example/`, eventTypes },
});

export const ENDPOINTS: readonly EndpointTerms[] = [
  ...TENANTS.map((tenantId) => endpoint(tenantId, tenantId, TENANT_TYPES)),
  endpoint("acme", "acme-bills", ["invoice.generated"]),
  endpoint("", "operators", [...TENANT_TYPES, "usage.unmetered", "usage.unpriced"]),
];
