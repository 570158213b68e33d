import type { DemoTenantId } from "./catalog.js";

/** A CloudEvent as the demo posts it. */
export interface DemoEvent {
  readonly specversion: "1.0";
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly time?: string;
  readonly data: Readonly<Record<string, string>>;
}

const REGIONS = ["eu-west", "us-east", "ap-south"] as const;
const MODELS = ["small", "large"] as const;
const SOURCE = "metrly-demo";

/** One event of a tenant. `n` determines the whole event, so posting the same `n` twice is a duplicate. */
export function demoEvent(tenantId: DemoTenantId, idPrefix: string, n: number, timeMs?: number): DemoEvent {
  const { type, data } = USAGE[tenantId][n % USAGE[tenantId].length]?.(n) ?? apiCall(n);
  return {
    specversion: "1.0",
    id: `${idPrefix}-${n}`,
    source: SOURCE,
    type,
    ...(timeMs !== undefined && { time: new Date(timeMs).toISOString() }),
    data,
  };
}

type Usage = (n: number) => Pick<DemoEvent, "type" | "data">;

const apiCall: Usage = (n) => ({ type: "api.request", data: { region: REGIONS[n % REGIONS.length] ?? "eu-west" } });
const completion: Usage = (n) => ({
  type: "llm.completion",
  data: { tokens: String(200 + ((n * 137) % 1_800)), model: MODELS[n % MODELS.length] ?? "small" },
});
const job: Usage = () => ({ type: "job.finished", data: {} });
const egress: Usage = (n) => ({
  type: "egress.measured",
  data: { gb: `0.${String(1 + ((n * 31) % 98)).padStart(2, "0")}` },
});

const USAGE: Readonly<Record<DemoTenantId, readonly Usage[]>> = {
  acme: [apiCall, apiCall, completion],
  globex: [apiCall, job, completion, job],
  initech: [apiCall, egress, completion, egress],
};
