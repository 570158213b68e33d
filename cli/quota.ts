import { QUOTA_RECONCILE_PATH } from "#platform/auth/internal-api.js";
import type { Env } from "#platform/process/config.js";
import { askGraph, type ConnectionOptions, findConnection } from "./connection/connection.js";
import { naming, UserError } from "./connection/failure.js";
import { connectToService } from "./connection/internal.js";
import { stepsOf } from "./connection/steps.js";
import { graphql } from "./graphql/index.js";
import { bar } from "./send/progress.js";
import { countedBy } from "./show/limit-state.js";
import { tenantsAdvice } from "./show/print.js";

export interface ReconcileCommand {
  readonly tenant?: string;
  readonly repair?: boolean;
  readonly json?: boolean;
  readonly url?: string;
}

interface Match {
  readonly dimension: string;
  readonly value: string;
}

interface Step {
  readonly kind: "progress" | "difference" | "done";
  readonly tenantId?: string;
  readonly seq?: number;
  readonly of?: number;
  readonly events?: number;
  readonly countersSkipped?: string;
  readonly difference?: {
    readonly tenantId: string;
    readonly meter: string;
    readonly dimensions?: readonly Match[];
    readonly where?: readonly Match[];
    readonly grain: string;
    readonly bucketStart: string;
    readonly ledger: string;
    readonly found: string;
    readonly wrong: string;
    readonly repaired: boolean;
  };
}

/**
 * `metrly quotas reconcile`: shows, and repairs, differences between quota and the ledger. Throws `UserError` when any remain.
 */
export async function reconcileQuota(options: ReconcileCommand, env: Env): Promise<void> {
  const quota = await connectToService("quota", options.url, env);
  const asked = quota.post(QUOTA_RECONCILE_PATH, {
    ...(options.tenant !== undefined && { tenantId: options.tenant }),
    repair: options.repair === true ? "true" : "false",
  });
  const response = await naming(`tenant ${options.tenant}`, tenantsAdvice(), asked);
  const count = { tenants: 0, events: 0, differences: 0, left: 0 };
  for await (const step of stepsOf<Step>(response)) {
    if (step.kind === "progress" && process.stderr.isTTY)
      process.stderr.write(`\r\u001b[2K${bar((step.seq ?? 0) / Math.max(1, step.of ?? 1))} ${step.tenantId}`);
    if (step.kind === "difference") {
      count.differences += 1;
      count.left += step.difference?.repaired === true ? 0 : 1;
    }
    if (step.kind === "done") {
      count.tenants += 1;
      count.events += step.events ?? 0;
    }
    if (options.json && step.kind !== "progress") process.stdout.write(`${JSON.stringify(step)}\n`);
    else if (!options.json) describe(step);
  }
  const summary = `${count.tenants} tenants, ${count.events.toLocaleString("en")} events of the ledger, ${count.differences} differences`;
  process.stderr.write(`${process.stderr.isTTY ? "\r\u001b[2K" : ""}${summary}\n`);
  if (count.left > 0)
    throw new UserError(
      `${count.left} differences remain. Run it again with --repair to correct quota from the ledger.`,
    );
}

function describe({ kind, difference, tenantId, countersSkipped }: Step): void {
  if (kind === "done" && countersSkipped !== undefined)
    process.stderr.write(`${tenantId}: the counters were not compared: ${countersSkipped}\n`);
  if (kind !== "difference" || difference === undefined) return;
  const { meter, grain, bucketStart, ledger, found, wrong, repaired } = difference;
  process.stdout.write(
    `${difference.tenantId}  ${meter}${aboutText(difference)} per ${grain} from ${bucketStart}: ledger ${ledger}, quota's ${wrong} ${found}${repaired ? " (repaired)" : ""}\n`,
  );
}

/** The combination that a limit is about, and its filter; clients chose the values. */
function aboutText({
  dimensions = [],
  where = [],
}: {
  readonly dimensions?: readonly Match[];
  readonly where?: readonly Match[];
}): string {
  const matches = [...dimensions, ...where].map(({ dimension, value }) => `${dimension} ${JSON.stringify(value)}`);
  return matches.length === 0 ? "" : ` for ${matches.join(", ")}`;
}

const DENIAL = graphql(`
  query Denial($tenantId: ID!, $key: String!) {
    tenant(id: $tenantId) {
      quotaDenial(idempotencyKey: $key) {
        at meter amount usage { meter amount } reason explanation retryAt
        limits { meter unit currency window kind limit dimensions { dimension value } where { dimension value } used reserved remaining resetAt denies }
      }
    }
  }
`);

export async function explainDenial(
  key: string,
  options: ConnectionOptions & { readonly tenant: string; readonly json?: boolean },
  env: Env,
): Promise<void> {
  const connection = await findConnection(options, env);
  const { tenant } = await askGraph(connection, DENIAL, { tenantId: options.tenant, key });
  if (tenant === null) throw new UserError(`NOT_FOUND: There is no tenant ${options.tenant}. ${tenantsAdvice()}`);
  const denial = tenant.quotaDenial;
  if (denial === null)
    throw new UserError(
      `No denial of ${options.tenant} under "${key}" is stored: none in the last hour (perhaps it was allowed), or newer denials replaced it.`,
    );
  if (options.json) {
    process.stdout.write(`${JSON.stringify(denial)}\n`);
    return;
  }
  const lines = denial.limits.map(
    (limit) =>
      `${limit.denies ? "*" : " "} ${countedBy(limit)}${aboutText(limit)} per ${limit.window} (${limit.kind}): used ${limit.used} + reserved ${limit.reserved} of ${limit.limit}, ${limit.remaining} left; resets at ${limit.resetAt}`,
  );
  const usage = denial.usage.map(({ meter, amount }) => `${amount} of ${meter}`).join(" and ") || "1 of requests";
  const asked = `${denial.at}  asked for ${usage}`;
  const again = denial.retryAt === null ? [] : [`It fits at ${denial.retryAt}, if no other request comes first.`];
  process.stdout.write(`${[asked, `${denial.reason}: ${denial.explanation}`, ...lines, ...again].join("\n")}\n`);
}
