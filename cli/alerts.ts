import type { Env } from "#platform/process/config.js";
import { askGraph, type Connection, type ConnectionOptions, findConnection } from "./connection/connection.js";
import { naming, UserError } from "./connection/failure.js";
import { everyPage } from "./connection/pages.js";
import { graphql } from "./graphql/index.js";
import { countedBy } from "./show/limit-state.js";
import { tenantsAdvice } from "./show/print.js";
import { tenantOf } from "./show/tenants.js";
import { type Alert, crossedText, openAlertsFeed } from "./watch/alerts.js";

const TENANTS = graphql(`
  query TenantIds($first: Int!, $after: Cursor) { tenants(first: $first, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } }
`);

interface WatchOptions extends ConnectionOptions {
  readonly tenant?: string;
  readonly after?: string;
  readonly json?: boolean;
}

/** `metrly alerts watch`: prints alerts until interrupted; reconnects and resumes from each tenant's last cursor. */
export async function watchAlerts(options: WatchOptions, env: Env): Promise<void> {
  if (options.after !== undefined && options.tenant === undefined)
    throw new UserError("--after needs --tenant: a cursor belongs to one tenant.");
  const connection = await findConnection(options, env);
  const tenants =
    options.tenant === undefined ? await allTenants(connection) : [(await tenantOf(connection, options.tenant)).id];
  const feed = openAlertsFeed({
    connection: () => connection,
    onAlert: (alert) => process.stdout.write(`${options.json ? JSON.stringify(alert) : describe(alert)}\n`),
    onLost: () => process.stderr.write("Connection lost; trying again\n"),
  });
  process.stderr.write(
    `Watching quota alerts of ${tenants.length === 1 ? tenants[0] : `${tenants.length} tenants`} ${options.after === undefined ? "from now on" : "after the cursor"} (Ctrl-C to stop)\n`,
  );
  const follow = (tenantId: string) =>
    naming(`tenant ${tenantId}`, tenantsAdvice(), feed.follow(tenantId, options.after)).catch((error: unknown) => {
      // The graph names its own argument.
      if (error instanceof UserError) error.message = error.message.replace(/^after: /, "--after: ");
      throw error;
    });
  await Promise.all(tenants.map(follow));
}

function describe(alert: Alert): string {
  return `${alert.at}  ${alert.kind.padEnd(8)}  ${alert.tenantId}  ${countedBy(alert)}${aboutOf(alert)} per ${alert.window}: used ${alert.used} of ${alert.limit} (${crossedText(alert)} crossed)`;
}

const aboutOf = ({ dimensions }: Alert): string =>
  dimensions.length === 0
    ? ""
    : ` for ${dimensions.map(({ dimension, value }) => `${dimension} ${JSON.stringify(value)}`).join(", ")}`;

async function allTenants(connection: Connection): Promise<string[]> {
  const tenants = await everyPage(async (page) => (await askGraph(connection, TENANTS, page)).tenants);
  if (tenants.length === 0) throw new UserError("There are no tenants yet.");
  return tenants.map(({ id }) => id);
}
