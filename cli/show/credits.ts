import { nowMs } from "#platform/lifecycle/time.js";
import type { Env } from "#platform/process/config.js";
import { asTyped } from "../as-typed.js";
import { askGraph, findConnection } from "../connection/connection.js";
import { naming, UserError } from "../connection/failure.js";
import type { CreditsQuery } from "../graphql/graphql.js";
import { graphql } from "../graphql/index.js";
import { present, printRows, type ShowOptions, sayEmpty, sayTotals, tenantsAdvice } from "./print.js";
import { type Column, shortTime } from "./table.js";

const CREDITS = graphql(`
  query Credits($tenantId: ID!, $asOf: DateTime, $after: Cursor) {
    tenant(id: $tenantId) {
      credits(asOf: $asOf) {
        currency granted drawn expired voided available asOf
        grants(first: 200, after: $after) {
          nodes { id amount drawn remaining priority status grantedAt expiresAt reason }
          pageInfo { hasNextPage endCursor }
        }
      }
    }
  }
`);
const GRANT = graphql(`
  mutation GrantCredits($input: GrantCreditsInput!) {
    grantCredits(input: $input) { id tenantId amount currency drawn remaining priority status grantedAt expiresAt reason }
  }
`);
const VOID = graphql(`
  mutation VoidCredits($tenantId: ID!, $grantId: ID!, $reason: String!) {
    voidCredits(tenantId: $tenantId, grantId: $grantId, reason: $reason) { id tenantId amount currency drawn remaining status }
  }
`);

type Credits = NonNullable<CreditsQuery["tenant"]>["credits"];
type Grant = Credits["grants"]["nodes"][number];

export interface CreditsOptions extends ShowOptions {
  readonly asOf?: string;
}

/** All grants of a tenant, newest first, and their sums. */
export async function listCredits(tenantId: string, options: CreditsOptions, env: Env): Promise<void> {
  const connection = await findConnection(options, env);
  const page = async (after: string | null): Promise<Credits> => {
    const { tenant } = await askGraph(connection, CREDITS, { tenantId, asOf: options.asOf ?? null, after });
    return present(tenant, tenantId).credits;
  };
  const credits = await page(null);
  const grants = [...credits.grants.nodes];
  for (let { pageInfo } = credits.grants; pageInfo.hasNextPage; ) {
    const next = (await page(pageInfo.endCursor)).grants;
    grants.push(...next.nodes);
    pageInfo = next.pageInfo;
  }
  await printRows(grants, COLUMNS, options);
  if (grants.length === 0) return sayEmpty(`No credits were granted to ${tenantId}.`, options);
  const { granted, drawn, expired, voided, available, currency } = credits;
  sayTotals(
    `${granted} ${currency} granted: ${drawn} drawn, ${expired} expired, ${voided} voided, ${available} available.`,
    options,
  );
}

const COLUMNS: readonly Column<Grant>[] = [
  { name: "GRANT", text: ({ id }) => id },
  { name: "STATUS", text: ({ status }) => status },
  { name: "AMOUNT", text: ({ amount }) => amount, isNumber: true },
  { name: "DRAWN", text: ({ drawn }) => drawn, isNumber: true },
  { name: "LEFT", text: ({ remaining }) => remaining, isNumber: true },
  { name: "PRIORITY", text: ({ priority }) => String(priority), isNumber: true },
  {
    name: "EXPIRES",
    heading: "EXPIRES (UTC)",
    text: ({ expiresAt }) => expiresAt,
    short: ({ expiresAt }) => (expiresAt === null ? null : shortTime(expiresAt, nowMs())),
  },
  { name: "REASON", text: ({ reason }) => reason, mayBeCut: true },
];

export interface GrantOptions extends ShowOptions {
  readonly reason: string;
  readonly expires?: string;
  readonly priority?: string;
  readonly id?: string;
}

/** Prints the grant's id alone, so that a shell can keep it. */
export async function grantCredits(tenantId: string, amount: string, options: GrantOptions, env: Env): Promise<void> {
  const { reason, expires, priority = "0", id } = options;
  if (!Number.isInteger(Number(priority))) throw new UserError(`--priority takes a whole number, not "${priority}".`);
  const input = {
    ...{ tenantId, amount, reason, priority: Number(priority) },
    ...(expires !== undefined && { expiresAt: expires }),
    ...(id !== undefined && { id }),
  };
  const { grantCredits: granted } = await naming(
    `tenant ${tenantId}`,
    tenantsAdvice(),
    askGraph(await findConnection(options, env), GRANT, { input }),
  );
  process.stdout.write(options.json ? `${JSON.stringify(granted)}\n` : `${granted.id}\n`);
}

export async function voidCredits(
  tenantId: string,
  grantId: string,
  options: ShowOptions & { readonly reason: string },
  env: Env,
): Promise<void> {
  const { voidCredits: voided } = await naming(
    `grant ${grantId} of ${tenantId}`,
    `List them: ${asTyped(`credits list ${tenantId}`)}`,
    askGraph(await findConnection(options, env), VOID, { tenantId, grantId, reason: options.reason }),
  );
  process.stdout.write(
    options.json ? `${JSON.stringify(voided)}\n` : `${voided.id}: ${voided.drawn} of ${voided.amount} stay drawn\n`,
  );
}
