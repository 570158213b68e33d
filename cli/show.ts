import { DAY_MS } from "#kernel/duration.js";
import { nowMs } from "#platform/lifecycle/time.js";
import type { Env } from "#platform/process/config.js";
import { askGraph, type ConnectionOptions, findConnection } from "./connection/connection.js";
import { UserError } from "./connection/failure.js";
import { everyPage } from "./connection/pages.js";
import type { InvoicesQuery, QuotasQuery, TenantsQuery, UsageQuery } from "./graphql/graphql.js";
import { graphql } from "./graphql/index.js";
import { bar, type Column, formatRows, sparkline } from "./table.js";

export interface ShowOptions extends ConnectionOptions {
  readonly json?: boolean;
}

const TENANTS = graphql(`
  query Tenants($after: Cursor) {
    tenants(first: 100, after: $after) {
      nodes { id name status testClock plan { version plan { id } } }
      pageInfo { hasNextPage endCursor }
    }
  }
`);
const USAGE = graphql(`
  query Usage($tenantId: ID!, $groupBy: [String!]) {
    tenant(id: $tenantId) {
      usageTotals(groupBy: $groupBy) { meter from to quantity eventCount lastEventAt dimensions { dimension value } }
      days: usageTotals(groupBy: $groupBy, granularity: DAY) { meter from quantity dimensions { dimension value } }
    }
  }
`);
const QUOTAS = graphql(`
  query Quotas($tenantId: ID!) {
    tenant(id: $tenantId) { quotas { limit { meter window kind limit } used reserved remaining resetAt state } }
  }
`);
const INVOICES = graphql(`
  query Invoices($tenantId: ID!, $after: Cursor) {
    tenant(id: $tenantId) {
      invoices(first: 100, after: $after) {
        nodes { id number status period { start end } total { amount currency } }
        pageInfo { hasNextPage endCursor }
      }
    }
  }
`);

function print<Row extends object>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  { json = false }: ShowOptions,
): void {
  process.stdout.write(formatRows(rows, columns, { isTerminal: process.stdout.isTTY === true, json }));
}

function present<T>(tenant: T | null, id: string): T {
  if (tenant === null) throw new UserError(`NOT_FOUND: There is no tenant ${id}. List them: metrly tenants`);
  return tenant;
}

type Tenant = TenantsQuery["tenants"]["nodes"][number];
type UsageOfTenant = NonNullable<UsageQuery["tenant"]>;
type Total = UsageOfTenant["usageTotals"][number];
type Quota = NonNullable<QuotasQuery["tenant"]>["quotas"][number];
type Invoice = NonNullable<InvoicesQuery["tenant"]>["invoices"]["nodes"][number];

export async function showTenants(options: ShowOptions, env: Env): Promise<void> {
  const connection = await findConnection(options, env);
  const tenants = await everyPage(async (after) => (await askGraph(connection, TENANTS, { after })).tenants);
  const columns: Column<Tenant>[] = [
    { name: "TENANT", text: ({ id }) => id },
    { name: "NAME", text: ({ name }) => name },
    { name: "STATUS", text: ({ status, testClock }) => (testClock === null ? status : `${status} (test)`) },
    { name: "PLAN", text: ({ plan }) => (plan === null ? "-" : `${plan.plan.id}@${plan.version}`) },
  ];
  print(tenants, columns, options);
}

/** `metrly usage`: the current period's totals, and by day. */
export async function showUsage(
  tenantId: string,
  options: ShowOptions & { readonly by?: string },
  env: Env,
): Promise<void> {
  const connection = await findConnection(options, env);
  const groupBy = options.by?.split(",") ?? [];
  const { tenant } = await askGraph(connection, USAGE, { tenantId, groupBy });
  const { usageTotals: totals, days } = present(tenant, tenantId);
  const valuesOf = ({ dimensions }: Pick<Total, "dimensions">) => dimensions.map(({ value }) => value || "-").join(" ");
  const perDay = (total: Total): number[] => {
    const [start, end] = [Date.parse(total.from), Math.min(Date.parse(total.to), nowMs())];
    const values = Array.from({ length: Math.max(1, Math.ceil((end - start) / DAY_MS)) }, () => 0);
    for (const day of days) {
      const at = Math.floor((Date.parse(day.from) - start) / DAY_MS);
      if (day.meter === total.meter && valuesOf(day) === valuesOf(total) && at in values)
        values[at] = Number(day.quantity);
    }
    return values;
  };
  const columns: Column<Total>[] = [
    { name: "METER", text: ({ meter }) => meter },
    ...(groupBy.length > 0 ? [{ name: groupBy.join(" ").toUpperCase(), text: valuesOf }] : []),
    { name: "QUANTITY", text: ({ quantity }) => quantity, isNumber: true },
    { name: "EVENTS", text: ({ eventCount }) => String(eventCount), isNumber: true },
    { name: "LAST EVENT", text: ({ lastEventAt }) => lastEventAt ?? "-" },
    { name: "BY DAY", text: (total) => sparkline(perDay(total)), isPicture: true },
  ];
  print(totals, columns, options);
}

export async function showQuotas(tenantId: string, options: ShowOptions, env: Env): Promise<void> {
  const { tenant } = await askGraph(await findConnection(options, env), QUOTAS, { tenantId });
  const { quotas } = present(tenant, tenantId);
  const columns: Column<Quota>[] = [
    { name: "METER", text: ({ limit }) => limit.meter ?? "requests" },
    { name: "PER", text: ({ limit }) => limit.window },
    { name: "KIND", text: ({ limit }) => limit.kind },
    { name: "USED", text: ({ used }) => used, isNumber: true },
    { name: "RESERVED", text: ({ reserved }) => reserved, isNumber: true },
    { name: "LIMIT", text: ({ limit }) => limit.limit, isNumber: true },
    { name: "STATE", text: ({ state }) => state },
    { name: "RESETS", text: ({ resetAt }) => resetAt },
    {
      name: "",
      text: ({ used, reserved, limit }) =>
        bar(Number(limit.limit) === 0 ? 1 : (Number(used) + Number(reserved)) / Number(limit.limit)),
      isPicture: true,
    },
  ];
  print(quotas, columns, options);
}

export async function showInvoices(tenantId: string, options: ShowOptions, env: Env): Promise<void> {
  const connection = await findConnection(options, env);
  const invoices = await everyPage(async (after) => {
    const { tenant } = await askGraph(connection, INVOICES, { tenantId, after });
    return present(tenant, tenantId).invoices;
  });
  const columns: Column<Invoice>[] = [
    { name: "INVOICE", text: ({ id }) => id },
    { name: "NUMBER", text: ({ number }) => number },
    { name: "FROM", text: ({ period }) => period.start.slice(0, 10) },
    { name: "TO", text: ({ period }) => period.end.slice(0, 10) },
    { name: "STATUS", text: ({ status }) => status },
    { name: "TOTAL", text: ({ total }) => total.amount, isNumber: true },
    { name: "CURRENCY", text: ({ total }) => total.currency },
  ];
  print(invoices, columns, options);
}
