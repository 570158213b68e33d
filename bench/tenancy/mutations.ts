import "../support/full-speed.js";
import { parseArgs } from "node:util";
import { DAY_MS } from "#kernel/duration.js";
import { startProcesses } from "../../tests/chaos/data-planes.js";
import { startMetrly } from "../../tests/support/metrly.js";
import { medianOf, report, round } from "../support/report.js";

/** Each mutation of tenancy, one after the other, with two more processes of each data plane, against `metrly all` alone. */
const { values: options } = parseArgs({ options: { times: { type: "string", default: "100" } } });
const times = Number(options.times);

interface Target {
  readonly url: string;
  adminToken(): Promise<string>;
}

interface Answer {
  readonly data: Readonly<Record<string, { readonly id?: string; readonly apiKey?: { readonly id: string } }>>;
  readonly errors?: unknown;
  readonly extensions: { readonly propagation: { readonly complete: boolean } };
}

type Timings = ReadonlyMap<string, readonly number[]>;

async function measure({ url, adminToken }: Target): Promise<Timings> {
  const authorization = `Bearer ${await adminToken()}`;
  const timings = new Map<string, number[]>();
  let isWarm = false;

  async function mutate(name: string, fields: string): Promise<Answer["data"][string]> {
    const headers = { "content-type": "application/json", authorization };
    const startedAt = performance.now();
    const body = JSON.stringify({ query: `mutation { ${name}${fields} }` });
    const response = await fetch(`${url}/graphql`, { method: "POST", headers, body });
    const { data, errors, extensions } = (await response.json()) as Answer;
    const tookMs = performance.now() - startedAt;
    if (errors !== undefined) throw new Error(`${name}: ${JSON.stringify(errors)}`);
    if (!extensions.propagation.complete) report(`${name} was answered before everyone acted on it`, { tookMs });
    if (isWarm) timings.set(name, [...(timings.get(name) ?? []), tookMs]);
    return data[name] ?? {};
  }

  const meter = '{ key: "calls", name: "Calls", eventType: "api.call", aggregation: COUNT }';
  await mutate("createMeter", `(input: ${meter}) { key }`);
  const limit = '{ meter: "calls", window: BILLING_PERIOD, kind: HARD, limit: "10" }';
  const version = `{ currency: "EUR", recurringFee: "0", prices: [], limits: [${limit}] }`;
  await mutate("createPlan", `(input: { id: "plan", name: "Plan", version: ${version} }) { id }`);
  const until = new Date(Date.now() + DAY_MS).toISOString();
  const override = `meter: "calls", window: BILLING_PERIOD, limit: "20", until: "${until}", reason: "bench"`;
  for (let n = 0; n < times + 10; n += 1) {
    isWarm = n >= 10;
    await mutate("createTenant", `(input: { id: "t${n}", name: "Tenant", planId: "plan" }) { id }`);
    const issued = await mutate(
      "issueApiKey",
      `(input: { tenantId: "t${n}", name: "key", scopes: [QUOTA] }) { apiKey { id } }`,
    );
    await mutate("setQuotaOverride", `(tenantId: "t${n}", ${override}) { used }`);
    await mutate("suspendTenant", `(id: "t${n}", reason: "bench") { id }`);
    await mutate("resumeTenant", `(id: "t${n}") { id }`);
    await mutate("revokeApiKey", `(id: "${issued.apiKey?.id}") { id }`);
  }
  return timings;
}

async function alone(): Promise<Timings> {
  const metrly = await startMetrly("servers");
  return measure(metrly).finally(() => metrly.dispose());
}

async function amongOthers(): Promise<Timings> {
  const processes = await startProcesses({ dataPlanes: 2, others: 0 });
  return measure(processes.metrly).finally(() => processes.stop());
}

const p99Of = (sorted: readonly number[]): number => sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN;

const reference = await alone();
for (const [name, tookMs] of await amongOthers()) {
  const p99 = p99Of([...tookMs].sort((a, b) => a - b));
  const p99Alone = p99Of([...(reference.get(name) ?? [])].sort((a, b) => a - b));
  const medianMs = round(medianOf(tookMs), 1);
  report(name, { medianMs, p99Ms: round(p99, 1), p99AloneMs: round(p99Alone, 1), times: round(p99 / p99Alone, 1) });
}
