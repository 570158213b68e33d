import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "#kernel/duration.js";
import { periodAt, previousPeriod } from "#kernel/period.js";
import { newUuid } from "#platform/lifecycle/random.js";
import { nowMs, sleep } from "#platform/lifecycle/time.js";
import { askGraph, type Connection } from "../connection/connection.js";
import { UserError } from "../connection/failure.js";
import { GRANTS, METERS, PLANS, TENANTS } from "./catalog.js";
import { type DemoEvent, FILLINGS, type Filling, history, lastHour } from "./events.js";
import {
  CATALOG,
  CLOSE_PERIOD,
  CREATE_METER,
  CREATE_PLAN,
  CREATE_TENANT,
  FIRST_PERIODS,
  GRANT_CREDITS,
  INVOICES,
  ISSUE_KEY,
  QUOTAS,
  TENANT,
} from "./graph.js";
import { HANGS_AFTER_MS, patiently, RETRY_MS } from "./patient.js";

/** Secrets of the demo tenants' keys, by tenant id. */
export type DemoKeys = Readonly<Record<string, string>>;

const BATCH = 1_000;
const ACCEPTED_BACK_MS = 34 * DAY_MS;

export interface SeededTenants {
  readonly keys: DemoKeys;
  /** Start of the tenants' first period, ms. */
  readonly usageStart: number;
  readonly lastMonthEnd: number;
}

/** Creates what is missing of the demo's catalog, tenants and keys. */
export async function seedTenants(connection: Connection, dataDir: string, nowMs: number): Promise<SeededTenants> {
  const lastMonth = previousPeriod(periodAt(nowMs, 1), 1);
  const usageStart = Math.max(lastMonth.start, nowMs - ACCEPTED_BACK_MS);
  const [{ meters, plans }, isMissing] = await Promise.all([
    patiently(() => askGraph(connection, CATALOG)),
    missingTenants(connection),
  ]);
  for (const input of METERS)
    if (!meters.some(({ key }) => key === input.key))
      await unlessThere(patiently(() => askGraph(connection, CREATE_METER, { input })));
  for (const input of PLANS)
    if (!plans.nodes.some(({ id }) => id === input.id))
      await unlessThere(patiently(() => askGraph(connection, CREATE_PLAN, { input })));
  for (const tenant of TENANTS) {
    if (!isMissing.has(tenant.id)) continue;
    const input = { ...tenant, startsAt: new Date(usageStart).toISOString() };
    await unlessThere(patiently(() => askGraph(connection, CREATE_TENANT, { input })));
  }
  return { keys: await demoKeys(connection, dataDir), usageStart, lastMonthEnd: lastMonth.end };
}

/** Usage until now, with last month closed. Idempotent: a killed first start is completed by the next. */
export async function seedUsage(
  connection: Connection,
  { keys, usageStart, lastMonthEnd }: SeededTenants,
  nowMs: number,
): Promise<void> {
  const invoiced = await Promise.all(TENANTS.map(({ id }) => hasInvoice(connection, id)));
  for (const [at, tenant] of TENANTS.entries()) {
    if (invoiced[at]) continue;
    const key = keys[tenant.id] ?? "";
    await postAll(connection.url, key, history(tenant.id, usageStart, lastMonthEnd));
    // Last month's usage is before them.
    for (const input of GRANTS.filter(({ tenantId }) => tenantId === tenant.id))
      await patiently(() => askGraph(connection, GRANT_CREDITS, { input }));
    await closeFirstPeriod(connection, tenant.id);
    // Windows of an hour begin empty, so that what a reader tries first has room.
    await postAll(connection.url, key, history(tenant.id, lastMonthEnd, nowMs - HOUR_MS));
  }
  const uses = await Promise.all(FILLINGS.map((filling) => usedInHour(connection, filling)));
  for (const [at, filling] of FILLINGS.entries()) {
    const used = uses[at] ?? Number.POSITIVE_INFINITY;
    await postAll(connection.url, keys[filling.tenantId] ?? "", lastHour(filling, used, newRunId(), nowMs));
  }
}

/** Of the tenant's limit per hour, with what is reserved. */
async function usedInHour(connection: Connection, { tenantId, habit }: Filling): Promise<number> {
  const { tenant } = await patiently(() => askGraph(connection, QUOTAS, { tenantId }));
  const quota = tenant?.quotas.find(({ limit }) => limit.meter === habit.meter && limit.window === "HOUR");
  return quota === undefined ? Number.POSITIVE_INFINITY : Number(quota.used) + Number(quota.reserved);
}

/** A demo of an earlier version keeps its meters and plans, and what was asked for again may be there. */
async function unlessThere(created: Promise<unknown>): Promise<void> {
  await created.catch((error: unknown) => {
    if (!(error instanceof UserError && error.code === "CONFLICT")) throw error;
  });
}

async function postAll(url: string, key: string, events: readonly DemoEvent[]): Promise<void> {
  for (let at = 0; at < events.length; at += BATCH)
    await postEvents(url, key, events.slice(at, at + BATCH), HANGS_AFTER_MS);
}

async function missingTenants(connection: Connection): Promise<ReadonlySet<string>> {
  const found = await Promise.all(TENANTS.map(({ id }) => patiently(() => askGraph(connection, TENANT, { id }))));
  return new Set(TENANTS.filter((_, at) => found[at]?.tenant === null).map(({ id }) => id));
}

async function demoKeys(connection: Connection, dataDir: string): Promise<DemoKeys> {
  const file = path.join(dataDir, "demo-keys.json");
  const known = await readFile(file, "utf8").then(
    (text) => JSON.parse(text) as Record<string, string>,
    () => undefined,
  );
  if (known !== undefined) return known;
  const keys: Record<string, string> = {};
  for (const { id } of TENANTS) {
    const { issueApiKey } = await patiently(() =>
      askGraph(connection, ISSUE_KEY, {
        input: { tenantId: id, name: "Demo", scopes: ["INGEST", "QUOTA", "READ"] },
      }),
    );
    keys[id] = issueApiKey.secret;
  }
  await writeFile(file, `${JSON.stringify(keys, null, 2)}\n`, { mode: 0o600 });
  return keys;
}

async function hasInvoice(connection: Connection, tenantId: string): Promise<boolean> {
  const { tenant } = await patiently(() => askGraph(connection, INVOICES, { tenantId }));
  return tenant !== null && tenant.invoices.nodes.length > 0;
}

/** Posts a batch and requires all of it to be accepted within `patienceMs`. A fresh key may need a moment to reach the edge. */
export async function postEvents(
  url: string,
  key: string,
  events: readonly unknown[],
  patienceMs: number = PATIENCE_MS,
): Promise<void> {
  for (const deadline = nowMs() + patienceMs; ; ) {
    const response = await fetch(`${url}/v1/events`, {
      method: "POST",
      headers: { "content-type": "application/cloudevents-batch+json", authorization: `Bearer ${key}` },
      body: JSON.stringify(events),
    });
    const body = await response.text();
    if (response.ok) return;
    if (nowMs() > deadline || (response.status !== 401 && response.status !== 503)) {
      throw new Error(`posting the demo's events failed with ${response.status}: ${body.slice(0, 500)}`);
    }
    await sleep(RETRY_MS);
  }
}

/** Of traffic, which a stop waits for. */
const PATIENCE_MS = 5_000;

async function closeFirstPeriod(connection: Connection, tenantId: string): Promise<void> {
  const { tenant } = await patiently(() => askGraph(connection, FIRST_PERIODS, { tenantId }));
  const first = tenant?.billingPeriods.nodes.toSorted((a, b) => a.start.localeCompare(b.start))[0];
  if (first === undefined) throw new Error(`${tenantId} has no billing period`);
  if (first.status === "OPEN" || first.status === "GRACE") {
    await unlessThere(patiently(() => askGraph(connection, CLOSE_PERIOD, { tenantId, periodStart: first.start })));
  }
  const deadline = nowMs() + HANGS_AFTER_MS;
  while (!(await hasInvoice(connection, tenantId))) {
    if (nowMs() > deadline)
      throw new Error(`the invoice of ${tenantId} was not issued within ${HANGS_AFTER_MS / MINUTE_MS} minutes`);
    await sleep(RETRY_MS);
  }
}

/** A prefix for ids of live events that no earlier run used. */
export const newRunId = (): string => `live-${newUuid().slice(0, 8)}`;
