import type { Env } from "#platform/process/config.js";
import { asTyped } from "../as-typed.js";
import { askGraph, type Connection, findConnection } from "../connection/connection.js";
import { naming, UserError } from "../connection/failure.js";
import { everyPage } from "../connection/pages.js";
import type { TenantsQuery } from "../graphql/graphql.js";
import { graphql } from "../graphql/index.js";
import { present, printOne, printRows, type ShowOptions } from "./print.js";
import type { Column } from "./table.js";

const TENANTS = graphql(`
  query Tenants($first: Int!, $after: Cursor) {
    tenants(first: $first, after: $after) {
      nodes { id name status testClock plan { version plan { id } } }
      pageInfo { hasNextPage endCursor }
    }
  }
`);
const TENANT = graphql(`
  query Tenant($id: ID!) {
    tenant(id: $id) {
      id name status currency billingAnchorDay graceDays startsAt createdAt timeZone testClock plan { version plan { id } }
    }
  }
`);
const CREATE = graphql(`
  mutation CreateTenant($input: CreateTenantInput!) { createTenant(input: $input) { id } }
`);

type Tenant = TenantsQuery["tenants"]["nodes"][number];

const planOf = ({ plan }: Pick<Tenant, "plan">): string | null =>
  plan === null ? null : `${plan.plan.id}@${plan.version}`;

export async function listTenants(options: ShowOptions, env: Env): Promise<void> {
  const connection = await findConnection(options, env);
  const tenants = await everyPage(async (page) => (await askGraph(connection, TENANTS, page)).tenants);
  const columns: Column<Tenant>[] = [
    { name: "TENANT", text: ({ id }) => id },
    { name: "NAME", text: ({ name }) => name, mayBeCut: true },
    { name: "STATUS", text: ({ status, testClock }) => (testClock === null ? status : `${status} (test)`) },
    { name: "PLAN", text: planOf },
  ];
  await printRows(tenants, columns, options);
}

/** Throws `UserError` if there is none. */
export async function tenantOf(connection: Connection, id: string) {
  return present((await askGraph(connection, TENANT, { id })).tenant, id);
}

export async function showTenant(id: string, options: ShowOptions, env: Env): Promise<void> {
  const tenant = await tenantOf(await findConnection(options, env), id);
  const fields = [
    ["tenant", tenant.id],
    ["name", tenant.name],
    ["status", tenant.status],
    ["plan", planOf(tenant) ?? "-"],
    ["currency", tenant.currency ?? "-"],
    ["billing periods", `from day ${tenant.billingAnchorDay}, closed ${tenant.graceDays} days after their end`],
    ["time zone", tenant.timeZone],
    ["first period", tenant.startsAt],
    ["created", tenant.createdAt],
    ...(tenant.testClock === null ? [] : [["test clock", tenant.testClock] as const]),
  ] as const;
  printOne(tenant, fields, options);
}

export interface NewTenant extends ShowOptions {
  readonly name?: string;
  readonly plan?: string;
  readonly anchorDay?: string;
  readonly startsAt?: string;
  readonly timeZone?: string;
  readonly testClock?: string;
}

export async function createTenant(id: string, options: NewTenant, env: Env): Promise<void> {
  const { name = id, plan, anchorDay, startsAt, timeZone, testClock } = options;
  const billingAnchorDay = anchorDay === undefined ? undefined : Number(anchorDay);
  if (billingAnchorDay !== undefined && !Number.isInteger(billingAnchorDay))
    throw new UserError(`--anchor-day takes a day of the month, 1 to 28, not "${anchorDay}".`);
  const input = {
    ...{ id, name },
    ...(plan !== undefined && { planId: plan }),
    ...(billingAnchorDay !== undefined && { billingAnchorDay }),
    ...(startsAt !== undefined && { startsAt }),
    ...(timeZone !== undefined && { timeZone }),
    ...(testClock !== undefined && { testClock }),
  };
  const { createTenant: created } = await naming(
    `plan ${plan}`,
    `List them: ${asTyped("plans list")}. createPlan, in the explorer or with ${asTyped("graph")}, creates one`,
    askGraph(await findConnection(options, env), CREATE, { input }),
  );
  process.stdout.write(options.json ? `${JSON.stringify(created)}\n` : `${created.id}\n`);
  if (!options.json) process.stderr.write(nextSteps(created.id, plan !== undefined));
}

function nextSteps(id: string, hasPlan: boolean): string {
  const assign = `mutation { changePlan(tenantId: "${id}", planId: "PLAN") { effectiveFrom } }`;
  const ofPlan = `Created without a plan, so without limits and prices. To give it one:\n  ${asTyped(`graph '${assign}'`)}\n`;
  return `${hasPlan ? "Created.\n" : ofPlan}To give it a key:\n  ${asTyped(`api-keys issue --tenant ${id} --scopes ingest,quota`)}\n`;
}
