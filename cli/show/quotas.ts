import { nowMs } from "#platform/lifecycle/time.js";
import type { Env } from "#platform/process/config.js";
import type { QuotaWindow } from "#schema/vocabulary.js";
import { askGraph, findConnection } from "../connection/connection.js";
import type { QuotasQuery } from "../graphql/graphql.js";
import { graphql } from "../graphql/index.js";
import { stateOf } from "./limit-state.js";
import { present, printRows, type ShowOptions, sayEmpty } from "./print.js";
import { bar, type Column, shortTime } from "./table.js";

const QUOTAS = graphql(`
  query Quotas($tenantId: ID!) {
    tenant(id: $tenantId) { quotas { limit { meter window kind limit } used reserved remaining resetAt state } }
  }
`);

type Quota = NonNullable<QuotasQuery["tenant"]>["quotas"][number];

/** Too wide for a terminal of 80 characters. */
const SHORT: Readonly<Partial<Record<QuotaWindow, string>>> = {
  CALENDAR_DAY: "CAL DAY",
  CALENDAR_WEEK: "CAL WEEK",
  CALENDAR_MONTH: "CAL MONTH",
  BILLING_PERIOD: "PERIOD",
};

export async function showQuotas(tenantId: string, options: ShowOptions, env: Env): Promise<void> {
  const { tenant } = await askGraph(await findConnection(options, env), QUOTAS, { tenantId });
  const { quotas } = present(tenant, tenantId);
  const columns: Column<Quota>[] = [
    { name: "METER", text: ({ limit }) => limit.meter ?? "requests" },
    {
      name: "PER",
      text: ({ limit }) => limit.window,
      short: ({ limit }) => SHORT[limit.window] ?? limit.window,
    },
    { name: "KIND", text: ({ limit }) => limit.kind },
    { name: "USED", text: ({ used }) => used, isNumber: true },
    { name: "RESERVED", text: ({ reserved }) => reserved, isNumber: true },
    { name: "LIMIT", text: ({ limit }) => limit.limit, isNumber: true },
    { name: "STATE", text: stateOf },
    {
      name: "RESETS",
      heading: "RESETS (UTC)",
      text: ({ resetAt }) => resetAt,
      short: ({ resetAt }) => shortTime(resetAt, nowMs()),
    },
    { name: "", text: () => "", picture: { width: 20, draw: (quota, width) => bar(shareOf(quota), width) } },
  ];
  await printRows(quotas, columns, options);
  if (quotas.length === 0) sayEmpty(`No limits: the plan of ${tenantId} has none, or it has no plan.`, options);
}

const shareOf = ({ used, reserved, limit }: Quota): number =>
  Number(limit.limit) === 0 ? 1 : (Number(used) + Number(reserved)) / Number(limit.limit);
