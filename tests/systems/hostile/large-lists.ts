import { waitFor } from "../../servers/servers.js";
import { askRaw, type EventsAnswer, type Present, postEvents } from "../../support/client.js";
import { sized } from "../../support/effort.js";
import type { Server } from "./server.js";

/** A tenant with many things, as large as the limits allow. */
export interface Hoarder {
  readonly id: string;
  /** With every scope. */
  readonly key: string;
  readonly invoiceIds: readonly string[];
  /** Usage that as many of its meters count as may, with dimension values of its own. */
  usage(count: number, round: string): readonly object[];
}

const ID = "hoarder";
/** Each thing as large as docs/limits.md allows; fewer than it allows, so that they are made in minutes. */
const METERS = sized(20, 60);
const OVERRIDES = sized(10, 50);
const ENDPOINTS = sized(10, 50);
const REGIONS = sized(20, 50);
const TIERS = sized(10, 20);
const MONTHS = 2;
const LIMITS = 20;
/** Of unpriced usage, for each meter, month by month. */
const COMBINATIONS = sized(3, 20);
const TINY = "0.000000000001";
/** Of each of a few events of the current month: they pass some thresholds of each limit. */
const PASSING = "0.005";

const METERS_OF_TYPE = 50;
/** As many meters count each type as may. */
const typeOf = (meter: number): string => String(Math.floor(meter / METERS_OF_TYPE)).padEnd(256, "t");
const EVENT_TYPE = typeOf(0);
const VALUE = "v".repeat(128);
/** Of each of its meters. */
export const DIMENSIONS: readonly string[] = Array.from({ length: 10 }, (_, n) => `${n}${"d".repeat(127)}`);
/** With the longest name, in characters of four bytes. */
const longName = (name: string): string => name + "💥".repeat(Math.floor((200 - name.length) / 2));
const meterKey = (n: number): string => `m${n}`.padEnd(64, "-");
const longUrl = (n: number): string => `https://hooks.invalid/${n}/`.padEnd(2_048, "p");
/** With 12 fractional digits. */
const threshold = (n: number): string => `0.${String(n + 1).padStart(2, "0")}3456789012`;

export async function createHoarder(server: Server): Promise<Hoarder> {
  const { url, adminToken } = server;
  /** Repeats what is refused for now: on a slow machine a change may take longer than its statements may. */
  const admin = <Data>(query: string, variables: object): Promise<Present<Data>> =>
    waitFor(
      async () => {
        const { data, errors } = await askRaw<Data, object>(url, adminToken, query, variables);
        if (errors?.every(({ extensions }) => FOR_NOW.has(extensions.code))) return undefined;
        if (errors !== undefined) throw new Error(JSON.stringify(errors));
        return data ?? undefined;
      },
      { what: query.slice(0, 60) },
    );

  for (let n = 0; n < METERS; n++) {
    const texts = { key: meterKey(n), name: longName(`${n}`), unit: "u".repeat(32) };
    const counts = { eventType: typeOf(n), aggregation: "SUM", valueProperty: VALUE, dimensions: DIMENSIONS };
    await admin(CREATE_METER, { input: { ...texts, ...counts } });
  }
  await admin(CREATE_PLAN, { input: { id: ID, name: longName(ID), version: planVersion() } });
  const clock = { testClock: "2026-01-20T00:00:00Z", graceDays: 0 };
  await admin(CREATE_TENANT, { input: { id: ID, name: longName(ID), planId: ID, ...clock } });
  const issued = await admin<{ issueApiKey: { secret: string } }>(ISSUE_KEY, { id: ID, name: longName("key") });
  const key = issued.issueApiKey.secret;
  for (let n = 0; n < ENDPOINTS; n++) await admin(CREATE_ENDPOINT, { id: ID, url: longUrl(n) });
  for (let n = 0; n < OVERRIDES; n++)
    await admin(OVERRIDE, {
      id: ID,
      meter: meterKey(n % LIMITS),
      limit: `${n + 1}.123456789012`,
      reason: longName(""),
    });

  async function invoices(): Promise<readonly string[]> {
    const { tenant } = await admin<{ tenant: { invoices: { nodes: { id: string }[] } } }>(INVOICES, { id: ID });
    return tenant.invoices.nodes.map(({ id }) => id);
  }

  for (let month = 1; month <= MONTHS; month++) {
    const time = new Date(Date.UTC(2026, month - 1, 12)).toISOString();
    const events = [...priced(time), ...unpriced(COMBINATIONS, `month-${month}`, time)];
    await waitFor(() => isTaken(url, key, events), { what: `the usage of month ${month}` });
    await admin(ADVANCE, { id: ID, to: new Date(Date.UTC(2026, month, 20)).toISOString() });
    await waitFor(async () => (await invoices()).length >= month, { what: `the invoice of month ${month}` });
  }
  const now = new Date(Date.UTC(2026, MONTHS, 12)).toISOString();
  const current = [...priced(now), ...unpriced(COMBINATIONS, "now", now), ...unpriced(3, "passing", now, PASSING)];
  await waitFor(() => isTaken(url, key, current), { what: "the usage of the current month" });
  await waitFor(
    async () => {
      const { tenant } = await admin<Current>(CURRENT, { id: ID });
      return tenant.alerts.nodes.length >= LIMITS && tenant.usageTotals.length > Math.min(METERS, METERS_OF_TYPE);
    },
    { what: "the alerts and totals of the current month" },
  );
  return { id: ID, key, invoiceIds: await invoices(), usage: unpriced };
}

const FOR_NOW: ReadonlySet<string> = new Set(["BUSY", "UNAVAILABLE", "SUBGRAPH_UNAVAILABLE", "TOO_COMPLEX"]);
const EVENT_TYPES = ["quota.warning", "quota.exceeded", "billing.period.closed", "invoice.generated"];

const CREATE_METER = "mutation ($input: CreateMeterInput!) { createMeter(input: $input) { key } }";
const CREATE_PLAN = "mutation ($input: CreatePlanInput!) { createPlan(input: $input) { id } }";
const CREATE_TENANT = "mutation ($input: CreateTenantInput!) { createTenant(input: $input) { id } }";
const ISSUE_KEY =
  "mutation ($id: ID!, $name: String!) { issueApiKey(input: { tenantId: $id, name: $name, scopes: [INGEST, QUOTA, READ, ADMIN] }) { secret } }";
const CREATE_ENDPOINT = `mutation ($id: ID!, $url: String!) { createWebhookEndpoint(input: {
  tenantId: $id, url: $url, eventTypes: ${JSON.stringify(EVENT_TYPES)} }) { endpoint { id } } }`;
/** Asks nothing of quota, which may not have the change yet: what took effect must not be repeated. */
const OVERRIDE = `mutation ($id: ID!, $meter: String!, $limit: Decimal!, $reason: String!) { setQuotaOverride(
  tenantId: $id, meter: $meter, window: BILLING_PERIOD, limit: $limit, until: "2099-12-31T00:00:00Z", reason: $reason) { __typename } }`;
const ADVANCE = "mutation ($id: ID!, $to: DateTime!) { advanceTestClock(tenantId: $id, to: $to) { id } }";
const INVOICES = "query ($id: ID!) { tenant(id: $id) { invoices(first: 200) { nodes { id } } } }";
const CURRENT = "query ($id: ID!) { tenant(id: $id) { alerts(first: 200) { nodes { id } } usageTotals { meter } } }";
interface Current {
  readonly tenant: { readonly alerts: { readonly nodes: readonly object[] }; readonly usageTotals: readonly object[] };
}

function planVersion(): object {
  const tiers = Array.from({ length: TIERS }, (_, n) => ({
    ...(n < TIERS - 1 && { upTo: `${n + 1}.123456789012` }),
    ...{ unitAmount: `${n}.123456789012`, flatAmount: `${n}.123456789012` },
  }));
  const prices = Array.from({ length: REGIONS }, (_, n) => ({
    ...{ meter: "units", model: "GRADUATED", tiers, where: [{ dimension: "region", value: `r${n}` }] },
  }));
  // Each combination of such a meter's usage that the price does not name is listed on the invoice.
  const unclaiming = Array.from({ length: Math.min(METERS, 50) }, (_, n) => ({
    ...{ meter: meterKey(n), model: "PER_UNIT", unitAmount: "1" },
    where: DIMENSIONS.slice(0, 1).map((dimension) => ({ dimension, value: "other" })),
  }));
  const thresholds = Array.from({ length: 10 }, (_, n) => threshold(n));
  const limits = Array.from({ length: LIMITS }, (_, n) => ({
    ...{ meter: meterKey(n), window: "BILLING_PERIOD", kind: "SOFT", limit: "1", warnAt: thresholds },
    ...{ warnAtAmounts: thresholds, warnEvery: "0.001" },
  }));
  return { currency: "USD", prices: [...prices, ...unclaiming], limits };
}

/** Usage in every tier of every price. */
const priced = (time: string): readonly object[] =>
  Array.from({ length: REGIONS }, (_, n) => ({
    ...{ specversion: "1.0", id: `${time}-${n}`, source: ID, type: "units", time },
    data: { n: TIERS + 1, region: `r${n}` },
  }));

function unpriced(count: number, round: string, time?: string, value = TINY): readonly object[] {
  return Array.from({ length: count }, (_, n) => ({
    ...{ specversion: "1.0", id: `${round}-${n}`, source: ID, type: EVENT_TYPE, ...(time !== undefined && { time }) },
    data: {
      [VALUE]: value,
      ...Object.fromEntries(DIMENSIONS.map((name) => [name, `${n}`.padEnd(128, "x")])),
    },
  }));
}

async function isTaken(url: string, key: string, events: readonly object[]): Promise<boolean> {
  const answer = await postEvents(url, key, events);
  if (answer.status === 429 || answer.status === 503) return false;
  const { accepted, duplicates, results } = (await answer.json()) as EventsAnswer;
  if (accepted + duplicates !== events.length) throw new Error(JSON.stringify(results?.slice(0, 3)));
  return true;
}
