import { nowMs } from "#platform/lifecycle/time.js";
import type { Env } from "#platform/process/config.js";
import type { QuotaWindow } from "#schema/vocabulary.js";
import { askGraph, findConnection } from "../connection/connection.js";
import { UserError } from "../connection/failure.js";
import type { QuotasQuery } from "../graphql/graphql.js";
import { graphql } from "../graphql/index.js";
import { countedBy, stateOf } from "./limit-state.js";
import { present, printRows, type ShowOptions, sayEmpty } from "./print.js";
import { bar, type Column, shortTime } from "./table.js";

const QUOTAS = graphql(`
  query Quotas($tenantId: ID!, $dimensions: [DimensionMatchInput!]) {
    tenant(id: $tenantId) {
      quotas(dimensions: $dimensions) {
        limit { meter unit currency window kind limit by where { dimension value } }
        dimensions { dimension value }
        used reserved remaining resetAt state
      }
    }
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

export interface QuotasOptions extends ShowOptions {
  /** Dimensions, separated by commas: only limits that count by all of them. */
  readonly by?: string;
  /** Values, as NAME=VALUE: of limits that count by these, only such combinations. */
  readonly dimension?: readonly string[];
}

export async function showQuotas(tenantId: string, options: QuotasOptions, env: Env): Promise<void> {
  const { dimension = [] } = options;
  const by = options.by?.split(",") ?? [];
  const dimensions = dimension.map(matchOf);
  const connection = await findConnection(options, env);
  const { tenant } = await askGraph(connection, QUOTAS, { tenantId, dimensions });
  const all = present(tenant, tenantId).quotas;
  const quotas = all.filter(({ limit }) => by.every((name) => limit.by.includes(name)));
  const columns: Column<Quota>[] = [
    { name: "METER", text: ({ limit }) => countedBy(limit) },
    {
      name: "PER",
      text: ({ limit }) => limit.window,
      short: ({ limit }) => SHORT[limit.window] ?? limit.window,
    },
    ...(quotas.some((quota) => aboutOf(quota) !== "") ? [{ name: "OF", text: aboutOf }] : []),
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
  if (quotas.length > 0) return;
  const counting = by.length === 0 ? "" : ` that count by ${by.join(" and ")}, or nothing was used`;
  sayEmpty(`No limits${counting}: the plan of ${tenantId} has none, or it has no plan.`, options);
}

/** The combination, and what usage must be of; clients chose the values. */
const aboutOf = ({ dimensions, limit: { where } }: Quota): string =>
  [...dimensions, ...where]
    .map(({ dimension, value }) => `${dimension}=${JSON.stringify(value).slice(1, -1)}`)
    .join(" ");

function matchOf(text: string): { readonly dimension: string; readonly value: string } {
  const end = text.indexOf("=");
  if (end < 1) throw new UserError(`--dimension: "${text}" is not NAME=VALUE`);
  return { dimension: text.slice(0, end), value: text.slice(end + 1) };
}

const shareOf = ({ used, reserved, limit }: Quota): number =>
  Number(limit.limit) === 0 ? 1 : (Number(used) + Number(reserved)) / Number(limit.limit);
