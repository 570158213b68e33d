import { MINUTE_MS } from "#kernel/duration.js";
import { waitFor } from "../../../servers/servers.js";
import * as operations from "./operations.js";
import type { Receiver } from "./receiver.js";
import { advance, followed, POLL_MS, untilKnown, type World } from "./world.js";

/** Until everything that was acknowledged has had all its effects: a mark that is sent now has had its own. */
export async function rest(world: World, receiver: Receiver): Promise<void> {
  const { name: tenantId, client } = world;
  await world.history.record("rest", {}, async () => {
    await advance(world, MINUTE_MS);
    await followed(world);
    const mark = { specversion: "1.0", source: "life", id: `m${world.ids++}`, type: `${tenantId}.mark` };
    await untilKnown(() => client.events([mark], false));
    const minute = Math.floor(world.clockMs / MINUTE_MS) * MINUTE_MS;
    await waitFor(
      async () => {
        const { answer = [] } = await client.look(
          "alerts",
          operations.ALERTS,
          { tenantId },
          (data) => first(data).alerts.nodes,
        );
        const ofMark = answer.some(
          ({ kind, meter, windowStart }) =>
            kind === "EXCEEDED" && meter === `${tenantId}_marks` && Date.parse(windowStart) === minute,
        );
        return ofMark && answer.every(({ sequence }) => receiver.names.has(`alert ${sequence}`));
      },
      { what: "the alert of a mark, and all alerts at their receiver", pauseMs: POLL_MS },
    );
    await waitFor(
      async () =>
        (await client.look("accounting", operations.ACCOUNTING, { tenantId }, (data) => first(data).accounting)).answer
          ?.inFlight === 0,
      { what: "nothing in flight", pauseMs: POLL_MS },
    );
    const { answer = [] } = await client.look(
      "invoices",
      operations.INVOICES,
      { tenantId },
      (data) => first(data).invoices.nodes,
    );
    const invoices = answer.map(({ id }) => id);
    await waitFor(() => invoices.every((id) => receiver.names.has(id)), { what: "invoices at their receiver" }).catch(
      async (error) => {
        const { answer } = await client.look("deliveries", operations.DELIVERIES, { tenantId }, (data) => data);
        throw new Error(`${invoices.join(", ")}; deliveries: ${JSON.stringify(answer)}`, { cause: error });
      },
    );
    return { outcome: "ok" };
  });
}

interface Alert {
  readonly sequence: string;
  readonly kind: string;
  readonly meter: string | null;
  readonly windowStart: string;
}
interface TenantData {
  readonly accounting: { readonly inFlight: number };
  readonly invoices: {
    readonly nodes: readonly { readonly id: string; readonly period: { readonly start: string } }[];
  };
  readonly usageTotals: unknown;
  readonly quotas: unknown;
  readonly credits: unknown;
  readonly alerts: { readonly nodes: readonly Alert[] };
  readonly webhookEndpoints: readonly { readonly deliveries: { readonly nodes: unknown } }[];
}
const first = (data: never): TenantData => (data as { readonly tenant: TenantData }).tenant;

/** Looks at all that the tenant shows. */
export async function lookAround({ name: tenantId, client }: World, endpointId: string): Promise<void> {
  const periods = (await client.look("billingPeriods", operations.PERIODS, { tenantId }, periodsOf)).answer ?? [];
  for (const { start: periodStart } of periods) {
    for (const by of [{}, { groupBy: ["model"] }, { granularity: "DAY" }, { granularity: "HOUR", groupBy: ["model"] }])
      await client.look(
        "usageTotals",
        operations.TOTALS,
        { tenantId, periodStart, ...by },
        (data) => first(data).usageTotals,
      );
  }
  await client.look("accounting", operations.ACCOUNTING, { tenantId }, (data) => first(data).accounting);
  await client.look("invoices", operations.INVOICES, { tenantId }, (data) => first(data).invoices.nodes);
  await client.look("credits", operations.CREDITS, { tenantId }, (data) => first(data).credits);
  await client.look("quotas", operations.QUOTAS, { tenantId }, (data) => first(data).quotas);
  await client.look("alerts", operations.ALERTS, { tenantId }, (data) => first(data).alerts.nodes);
  await client.look(
    "deliveries",
    operations.DELIVERIES,
    { tenantId, endpointId },
    (data) => first(data).webhookEndpoints[0]?.deliveries.nodes,
  );
}

/** Of `billingPeriods`. */
export const periodsOf = (data: never) =>
  (data as { tenant: { billingPeriods: { nodes: { start: string; status: string }[] } } }).tenant.billingPeriods.nodes;
