import { askGraph, type Connection } from "../connection/connection.js";
import { UserError } from "../connection/failure.js";
import type { UnbilledTenantsQuery } from "../graphql/graphql.js";
import { graphql } from "../graphql/index.js";
import type { Finding } from "./finding.js";

const TENANTS = graphql(`
  query UnbilledTenants($after: Cursor) {
    tenants(first: 50, after: $after) {
      nodes {
        id
        accounting { unmetered }
        upcomingInvoice { unpricedUsage { meter dimensions { value } quantity } }
      }
      pageInfo { hasNextPage endCursor }
    }
  }
`);
const TYPES = graphql(`query UnmeteredOf($tenantId: ID!) { unmeteredTypes(tenantId: $tenantId) { eventType count } }`);

type Tenant = UnbilledTenantsQuery["tenants"]["nodes"][number];

/** More tenants are not looked at: each costs a read of its totals. */
const MOST_TENANTS = 500;
/** More examples are counted only. */
const MOST_SHOWN = 3;

/** Usage that nobody pays for, in two lines; it may be meant, so no check fails. */
export async function unbilledUsage(connection: () => Promise<Connection>): Promise<readonly Finding[]> {
  try {
    const asked = await connection();
    const { tenants, isAll } = await firstTenants(asked);
    const of = isAll ? "" : ` of the first ${tenants.length} tenants`;
    return [await unmetered(asked, tenants, of), unpriced(tenants, of)];
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return [{ what: "unbilled usage", ok: undefined, said: `not looked at: ${error.message}` }];
  }
}

async function firstTenants(connection: Connection) {
  const tenants: Tenant[] = [];
  for (let after: string | null = null; ; ) {
    const answer: UnbilledTenantsQuery = await askGraph(connection, TENANTS, { after });
    const { nodes, pageInfo } = answer.tenants;
    tenants.push(...nodes);
    if (!pageInfo.hasNextPage || tenants.length >= MOST_TENANTS) return { tenants, isAll: !pageInfo.hasNextPage };
    after = pageInfo.endCursor;
  }
}

async function unmetered(connection: Connection, tenants: readonly Tenant[], of: string): Promise<Finding> {
  const what = "unmetered";
  const some = tenants.filter(({ accounting }) => Number(accounting.unmetered) > 0);
  if (some.length === 0) return { what, ok: true, said: `a meter counts every event${of}` };
  const shown = await Promise.all(
    some.slice(0, MOST_SHOWN).map(async ({ id: tenantId }) => {
      const { unmeteredTypes } = await askGraph(connection, TYPES, { tenantId });
      return `${tenantId}: ${list(unmeteredTypes.map(({ eventType, count }) => `${count} of ${quoted(eventType)}`))}`;
    }),
  );
  return {
    ...{ what, ok: undefined, said: `no meter counts these events${of}: ${list(shown, some.length, "; ")}` },
    advice: "a meter created with `backfill: true` also counts those of open periods; `unmeteredTypes` lists all",
  };
}

function unpriced(tenants: readonly Tenant[], of: string): Finding {
  const what = "unpriced";
  const some = tenants.flatMap(({ id, upcomingInvoice }) => {
    const usage = (upcomingInvoice?.unpricedUsage ?? []).map(
      ({ meter, dimensions, quantity }) =>
        `${quantity} ${[meter, ...dimensions.map(({ value }) => quoted(value))].join(" ")}`,
    );
    return usage.length === 0 ? [] : [`${id}: ${list(usage)}`];
  });
  if (some.length === 0) return { what, ok: true, said: `prices claim all usage of the running periods${of}` };
  return {
    ...{
      what,
      ok: undefined,
      said: `no price claims this usage${of}: ${list(some.slice(0, MOST_SHOWN), some.length, "; ")}`,
    },
    advice: "price it in the plan, for example by a price with `catchAll: true`, or archive the meter",
  };
}

function list(texts: readonly string[], count = texts.length, between = ", "): string {
  const shown = texts.slice(0, MOST_SHOWN);
  return `${shown.join(between)}${count > shown.length ? ` and ${count - shown.length} more` : ""}`;
}

/** Tenants' senders choose these: quoted, without what controls a terminal. */
const quoted = (text: string): string => JSON.stringify(text.replace(/\p{Cc}/gu, " "));
